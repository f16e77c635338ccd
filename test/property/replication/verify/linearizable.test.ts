/**
 * The register checker against an oracle that tries every order, and against Porcupine. Histories are
 * small, from good runs and from runs with wrong answers.
 */
import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkRegisters } from '../../../../replication/verify/linearizable.ts'
import type { HistoryEvent } from '../../../../replication/verify/history.ts'
import { pairOperations, type Operation } from '../../../../replication/verify/operations.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { randomRegisters } from '../../../support/random-histories.ts'

/** One register's operations; reads without an answer, which say nothing, left out. */
function operationsOf(events: readonly HistoryEvent[]): Operation[] {
  const { operations } = pairOperations(events, ['read', 'write', 'cas'])
  return operations.filter(({ f, outcome }) => f !== 'read' || outcome === 'ok')
}

/** Tries every order of every choice of unknown operations. */
function hasOrder(left: readonly Operation[], held: unknown = null): boolean {
  if (left.every(({ outcome }) => outcome === 'unknown')) return true
  return left.some((operation) => {
    if (left.some(({ endedAt }) => endedAt < operation.invokedAt)) return false
    const after = effect(operation, held)
    return (
      after !== undefined &&
      hasOrder(
        left.filter((other) => other !== operation),
        after.held,
      )
    )
  })
}

function effect({ f, invoke, end }: Operation, held: unknown): { held: unknown } | undefined {
  if (f === 'read') return end?.value === held ? { held } : undefined
  if (f === 'write') return { held: invoke.value }
  const [old, value] = invoke.value as [unknown, unknown]
  return held === old ? { held: value } : undefined
}

function smallHistory(seed: number): HistoryEvent[] {
  const random = seededRandom(seed)
  return randomRegisters(random, {
    operations: 3 + random.below(6),
    clients: 2 + random.below(3),
    unknown: random.pick([0, 0.1, 0.3]),
    wrong: random.pick([0, 0.3]),
    keys: 1,
    values: random.pick([2, 4, 'unique'] as const),
  })
}

describe('registers', () => {
  it('are judged as by trying every order', () => {
    const verdicts = { good: 0, bad: 0 }
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const events = smallHistory(seed)
        const expected = hasOrder(operationsOf(events))
        const { ok, undecided } = checkRegisters(events)
        expect(undecided).toEqual([])
        expect(ok).toBe(expected)
        verdicts[expected ? 'good' : 'bad']++
      }),
      { numRuns: 4_000 },
    )
    // Both verdicts are asked for often, or the agreement says little.
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(400)
  })

  const porcupine = fileURLToPath(new URL('../../../support/porcupine', import.meta.url))
  const go = hasGo(porcupine)
  if (!go) console.warn('SKIPPED: Porcupine, the second oracle of registers, needs `go`.')

  it.skipIf(!go)('are judged as by Porcupine', async () => {
    const histories = Array.from({ length: 300 }, (_, seed) => {
      const random = seededRandom(seed)
      return randomRegisters(random, {
        operations: 10 + random.below(20),
        clients: 2 + random.below(4),
        unknown: random.pick([0, 0.05]),
        wrong: random.pick([0, 0.1]),
        keys: 1,
        values: random.pick([3, 'unique'] as const),
      })
    })
    const lines = histories.map((events) => JSON.stringify(operationsOf(events).map(forPorcupine)))
    const expected = await runGo(porcupine, `${lines.join('\n')}\n`)
    expect(histories.map((events) => checkRegisters(events).ok)).toEqual(expected)
    expect(expected.filter(Boolean).length).toBeGreaterThan(50)
    expect(expected.filter((good) => !good).length).toBeGreaterThan(50)
  })
})

function forPorcupine({
  process,
  f,
  invoke,
  end,
  outcome,
  invokedAt,
  endedAt,
}: Operation): unknown {
  const value = f === 'read' ? end?.value : invoke.value
  const numbers = (Array.isArray(value) ? value : [value]).map((each: unknown) => each ?? 0)
  const known = outcome === 'ok'
  return { process, f, value: numbers, known, call: invokedAt, return: known ? endedAt : 1e9 }
}

/** Whether Go is here and can have the module. */
function hasGo(folder: string): boolean {
  try {
    execFileSync('go', ['mod', 'download'], { cwd: folder, stdio: 'ignore', timeout: 60_000 })
    return true
  } catch {
    return false
  }
}

/** What Porcupine says of each line. */
function runGo(folder: string, input: string): Promise<boolean[]> {
  return new Promise((resolve, reject) => {
    const child = execFile('go', ['run', '.'], { cwd: folder }, (error, stdout) => {
      if (error !== null) reject(error)
      else
        resolve(
          stdout
            .trim()
            .split('\n')
            .map((line) => line === 'true'),
        )
    })
    child.stdin?.end(input)
  })
}
