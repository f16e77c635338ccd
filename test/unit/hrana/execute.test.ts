import { describe, expect, it } from 'vitest'
import { ResponseBudget } from '../../../src/hrana/execute.ts'
import { HranaWorld, type Json } from '../../support/hrana-world.ts'

function step(sql: string, condition?: Json): Json {
  return { stmt: { sql }, ...(condition === undefined ? {} : { condition }) }
}

/** Runs a batch; by step `ok`, the error's code, or `-` for one that was skipped. */
async function outcome(world: HranaWorld, ...steps: Json[]): Promise<unknown> {
  const { results } = await world.pipeline([{ type: 'batch', batch: { steps } }])
  const [result] = results
  if (result?.['type'] !== 'ok') return (result?.['error'] as Json | undefined)?.['code']
  const { step_results, step_errors } = (result['response'] as { result: Record<string, Json[]> })
    .result
  return steps.map((_, i) => {
    const failure = step_errors?.[i]
    if (failure !== null) return failure?.['code']
    return step_results?.[i] === null ? '-' : 'ok'
  })
}

const TRUE: Json = { type: 'not', cond: { type: 'or', conds: [] } }
const FALSE: Json = { type: 'or', conds: [] }

describe('the budget of an answer', () => {
  it('counts what describes a statement, whose text can be shorter than its parameters', () => {
    const params = Array.from({ length: 32_766 }, () => ({ name: null }))
    const description = { params, columns: [], isExplain: false, isReadonly: true }
    const budget = new ResponseBudget(1_000_000)
    budget.takeDescription(description)
    budget.takeDescription(description)
    expect(() => budget.takeDescription(description)).toThrow(
      expect.objectContaining({ code: 'RESPONSE_TOO_LARGE' }),
    )
  })
})

describe('batches', () => {
  it('run a step after success, after failure, and never after a skipped one', async () => {
    const ok = (n: number): Json => ({ type: 'ok', step: n })
    const error = (n: number): Json => ({ type: 'error', step: n })
    expect(
      await outcome(
        new HranaWorld(),
        step('one'),
        step('fail', ok(0)),
        step('skipped', ok(1)),
        step('three', error(1)),
        step('four', ok(2)),
        step('five', error(2)),
        step('six', { type: 'not', cond: ok(2) }),
        step('deny'),
        step('crash'),
      ),
    ).toEqual([
      ...['ok', 'SQLITE_CONSTRAINT', '-', 'ok', '-', '-', 'ok'],
      ...['PERMISSION_DENIED', 'INTERNAL'],
    ])
  })

  it.each([
    [{ type: 'and', conds: [] }, 'ok'],
    [{ type: 'or', conds: [] }, '-'],
    [{ type: 'and', conds: [TRUE, FALSE] }, '-'],
    [{ type: 'and', conds: [TRUE, TRUE] }, 'ok'],
    [{ type: 'or', conds: [FALSE, TRUE] }, 'ok'],
    [{ type: 'or', conds: [FALSE, FALSE] }, '-'],
    [{ type: 'not', cond: { type: 'and', conds: [FALSE] } }, 'ok'],
  ])('evaluate %j', async (condition, expected) => {
    expect(await outcome(new HranaWorld(), step('one', condition))).toEqual([expected])
  })

  it('ask for the autocommit state when a step is reached', async () => {
    const inside: Json = { type: 'not', cond: { type: 'is_autocommit' } }
    expect(
      await outcome(
        new HranaWorld(),
        step('zero', inside),
        step('begin'),
        step('one', inside),
        step('commit', inside),
        step('rollback', inside),
      ),
    ).toEqual(['-', 'ok', 'ok', 'ok', '-'])
  })

  it('that refer to a later step, or their own, do not begin', async () => {
    const world = new HranaWorld()
    const own: Json = { type: 'and', conds: [{ type: 'not', cond: { type: 'ok', step: 1 } }] }
    expect(await outcome(world, step('one'), step('two', own))).toBe('BATCH_COND_BAD_STEP')
    expect(
      await outcome(world, step('one'), step('two', { type: 'error', step: 4294967295 })),
    ).toBe('BATCH_COND_BAD_STEP')
    expect(world.backend.sessions.flatMap(({ log }) => log)).toEqual([])
  })

  it('with more steps than are allowed do not begin', async () => {
    const world = new HranaWorld({ maxBatchSteps: 1 })
    expect(await outcome(world, step('one'), step('two'))).toBe('BATCH_TOO_LARGE')
    expect(world.backend.sessions[0]?.log).toEqual([])
  })

  it('fail the step that makes the answer too large, so that a transaction can end', async () => {
    const world = new HranaWorld({ maxResponseBytes: 1000 })
    expect(
      await outcome(
        world,
        step('begin'),
        step('big 900', { type: 'ok', step: 0 }),
        step('big 900', { type: 'ok', step: 1 }),
        step('commit', { type: 'ok', step: 2 }),
        step('rollback', { type: 'not', cond: { type: 'ok', step: 3 } }),
      ),
    ).toEqual(['ok', 'ok', 'RESPONSE_TOO_LARGE', '-', 'ok'])
  })
})
