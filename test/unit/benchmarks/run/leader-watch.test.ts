/** What another region led than the limits are for is measured again, or left out. */
import { expect, test } from 'vitest'
import type { Cell, PeerCell } from '../../../../benchmarks/measure/cell.ts'
import { runUnderLeader } from '../../../../benchmarks/run/leader-watch.ts'
import type { StepOutcome } from '../../../../benchmarks/run/step-outcome.ts'
import type { BenchContext, StepResult } from '../../../../benchmarks/step.ts'

const RESULT: StepResult = {
  // Nothing else of them is looked at.
  cells: [{ mode: 'strong' } as Cell, { mode: 'pinned' } as Cell],
  peers: [{ peer: 'etcd' } as PeerCell, { peer: 'libsql' } as PeerCell],
  histograms: [
    ...['strong-write-us', 'pinned-read-strong-us-eu', 'raw-etcd-txn-us-beside-x'],
    ...['ycsb-a-strong-us', 'read-pinned-us-eu-strong'],
  ].map((name) => ({ name, encoded: '' })),
  notes: ['measured'],
}

interface Watch {
  /** Who leads, each time that somebody asks. */
  readonly leads: readonly (string | undefined)[]
  /** Who leads after it was handed back. */
  readonly handedBack?: string
  readonly result?: StepResult
  readonly signal?: AbortSignal
}

async function watch({
  leads,
  handedBack = 'eu',
  result = RESULT,
  signal = new AbortController().signal,
}: Watch): Promise<{ outcome: StepOutcome; runs: number }> {
  const answers = [...leads]
  const target = {
    leader: 'eu',
    currentLeader: async () => answers.shift(),
    handBackLead: async () => handedBack,
  } as Partial<BenchContext['target']> as BenchContext['target']
  let runs = 0
  const step = { name: 'writes', durationMs: 1, run: async () => result }
  const outcome = await runUnderLeader({ target, signal, note: () => undefined }, async () => {
    runs++
    return { step, result, problem: undefined }
  })
  return { outcome, runs }
}

test('a step that one region led stands as it is', async () => {
  const { outcome, runs } = await watch({ leads: ['eu', 'eu'] })
  expect([runs, outcome.result]).toEqual([1, RESULT])
})

test('leadership that has moved is handed back before a step', async () => {
  const { outcome, runs } = await watch({ leads: ['us', 'eu'] })
  expect([runs, outcome.result]).toEqual([1, RESULT])
})

test('a step during which another region began to lead is measured once more', async () => {
  const { outcome, runs } = await watch({ leads: ['eu', 'us', 'us', 'eu'] })
  expect([runs, outcome.result?.cells]).toEqual([2, RESULT.cells])
  expect(outcome.result?.notes?.at(-1)).toContain('was led from us, not from eu')
})

test('and if that happens again, what depends on the leader is withheld', async () => {
  for (const last of ['us', undefined]) {
    const { outcome, runs } = await watch({ leads: ['eu', 'us', 'eu', last] })
    expect(runs).toBe(2)
    expect(outcome.result).toMatchObject({
      cells: [{ mode: 'pinned' }],
      peers: [{ peer: 'libsql' }],
      histograms: [{ name: 'pinned-read-strong-us-eu' }, { name: 'read-pinned-us-eu-strong' }],
    })
    expect(outcome.result?.notes?.at(-1)).toMatch(/withheld, because .* led from (us|nowhere)/)
  }
})

test('so is what a region led that does not give leadership back', async () => {
  const { outcome, runs } = await watch({ leads: ['us', 'us', 'us', 'us'], handedBack: 'us' })
  expect(runs).toBe(2)
  expect(outcome.result?.cells).toEqual([{ mode: 'pinned' }])
})

test('a run that is told to end measures nothing again, and withholds the same', async () => {
  const { outcome, runs } = await watch({ leads: ['eu', 'us'], signal: AbortSignal.abort() })
  expect(runs).toBe(1)
  expect(outcome.result?.cells).toEqual([{ mode: 'pinned' }])
})

test('what no leader is needed for is not measured again', async () => {
  const result: StepResult = { cells: [{ mode: 'pinned' } as Cell] }
  const { outcome, runs } = await watch({ leads: ['eu', 'us'], result })
  expect([runs, outcome.result]).toEqual([1, result])
})
