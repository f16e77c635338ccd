/** What errors say of effects, and that a wrong reading of them does not go unnoticed. */
import { describe, expect, test } from 'vitest'
import { checkRegisters } from '../../../../replication/verify/linearizable.ts'
import { Client } from '../../../../src/cli/history/run/clients.ts'
import { classifyFailure, type Classify } from '../../../../src/cli/history/run/outcome.ts'
import { HistoryRecorder } from '../../../../src/cli/history/run/recorder.ts'
import type { HistoryDatabase } from '../../../../src/cli/history/schema.ts'
import type { Operation } from '../../../../src/cli/history/workloads/workload.ts'
import { ERROR_CODES, MeridianError } from '../../../../src/core/errors.ts'

describe('a write', () => {
  test.each([
    ['CONDITION_FAILED', 'fail'],
    ['CONFLICT', 'fail'],
    ['NOT_FOUND', 'fail'],
    ['DEADLINE_EXCEEDED', 'fail'],
    ['REGION_UNREACHABLE', 'fail'],
    ['LOG_UNAVAILABLE', 'fail'],
    // Nobody can tell any more whether it took effect.
    ['IDEMPOTENCY_EXPIRED', 'info'],
    ['POSITION_LOST', 'info'],
    // Of a transaction that was issued in the future; of a node that is out of step it says `safe`.
    ['CLOCK_SKEW', 'info'],
    // It may be in the log, and wait for room.
    ['STORE_FULL', 'info'],
    ['CLOSED', 'info'],
    ['CANCELLED', 'info'],
    ['INTERNAL', 'info'],
    ['UNKNOWN_OUTCOME', 'info'],
  ] as const)('that ended with %s: %s', (code, type) => {
    expect(classifyFailure(new MeridianError(code, 'x'), false)).toBe(type)
  })

  test('whose error calls the outcome unknown is info whatever its code', () => {
    for (const code of ERROR_CODES) {
      const error = new MeridianError(code, 'x', { retry: 'unknown-outcome' })
      expect(classifyFailure(error, false), code).toBe('info')
    }
  })

  test('that was never sent proves it by what it says of repeating, not by its code', () => {
    const error = new MeridianError('DEADLINE_EXCEEDED', 'x', { retry: 'never' })
    expect(classifyFailure(error, false)).toBe('info')
  })

  test('that failed with something else is info', () => {
    expect(classifyFailure(new TypeError('x'), false)).toBe('info')
  })
})

test('a read that failed had no effect', () => {
  for (const code of ERROR_CODES) {
    expect(classifyFailure(new MeridianError(code, 'x'), true), code).toBe('fail')
  }
})

/** A register in memory, whose client may lose an answer after the write took effect. */
function world(classify: Classify | undefined): {
  readonly client: () => Client
  readonly write: (value: number, isAnswerLost: boolean) => Operation
  readonly read: Operation
  readonly recorder: HistoryRecorder
} {
  let stored: number | null = null
  let now = 0n
  const recorder = new HistoryRecorder({ nowNs: () => now++, onEvent: () => undefined })
  const db = { session: () => undefined } as unknown as HistoryDatabase
  const { signal } = new AbortController()
  return {
    recorder,
    client: () => new Client({ db, recorder, signal, classify }),
    write: (value, isAnswerLost) => ({
      ...{ f: 'write', key: 'r', value, isRead: false },
      async run() {
        stored = value
        if (isAnswerLost) throw new MeridianError('UNKNOWN_OUTCOME', 'The answer was lost.')
        return { type: 'ok', value }
      },
    }),
    read: {
      ...{ f: 'read', key: 'r', value: null, isRead: true },
      run: async () => ({ type: 'ok', value: stored }),
    },
  }
}

/** Two writes, the answer to the second of which is lost, and a read of what it wrote. */
async function loseAnAnswer(classify?: Classify): Promise<HistoryRecorder> {
  const { client, write, read, recorder } = world(classify)
  const [writer, reader] = [client(), client()]
  await writer.run(write(1, false))
  await writer.run(write(2, true))
  await reader.run(read)
  // Whoever does not know goes on as another process.
  await writer.run(read)
  return recorder
}

test('a lost answer is an unknown outcome, whose process is not used again', async () => {
  const { events, counts, errors } = await loseAnAnswer()
  expect(checkRegisters(events)).toMatchObject({ ok: true })
  expect(counts.get('write')).toEqual({ ok: 1, fail: 0, info: 1 })
  expect(Object.fromEntries(errors)).toEqual({ 'info UNKNOWN_OUTCOME': 1 })
  const last = events.findLastIndex(({ type }) => type === 'info')
  const { process } = events[last] ?? {}
  expect(events.slice(last + 1).map((event) => event.process)).not.toContain(process)
})

test('the checker catches a wrong classification: lost answers taken for failures', async () => {
  const { events } = await loseAnAnswer(() => 'fail')
  expect(checkRegisters(events)).toMatchObject({ ok: false })
})
