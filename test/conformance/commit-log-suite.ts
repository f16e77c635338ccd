/** What every driver of the CommitLog port must do. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CommitLog, LogEntry, LogTail } from '../../src/core/ports/commit-log.ts'
import { failureOf, until } from './support/failure.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What a tail told. */
interface Seen {
  readonly entries: LogEntry[]
  readonly failures: unknown[]
  readonly tail: LogTail
}

/** A tail that keeps all that it is told. */
export function watch(log: CommitLog, group: string, fromIndex: number): Seen {
  const entries: LogEntry[] = []
  const failures: unknown[] = []
  const tail = log.tail(group, fromIndex, {
    onEntries: async (batch) => {
      entries.push(...batch)
    },
    onFailure: (error) => failures.push(error),
  })
  return { entries, failures, tail }
}

/** `open`: a new, empty log. The suite closes it. */
export function describeCommitLogSuite(name: string, open: () => Promise<CommitLog>): void {
  const openLog = async (): Promise<CommitLog> => {
    const log = await open()
    onTestFinished(() => log.close())
    return log
  }
  const appendMany = (log: CommitLog, group: string, count: number): Promise<number[]> =>
    Promise.all(
      Array.from({ length: count }, (_, i) => log.append(group, `${group}-${i}`, bytes(`${i}`))),
    )
  const indices = (entries: readonly LogEntry[]): number[] => entries.map((entry) => entry.index)
  const oneTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1)

  describe(`${name}: append`, () => {
    test('gives each group a dense index from 1', async () => {
      const log = await openLog()
      const [a, b] = await Promise.all([appendMany(log, 'a', 50), appendMany(log, 'b', 30)])
      expect(a.toSorted((x, y) => x - y)).toEqual(oneTo(50))
      expect(b.toSorted((x, y) => x - y)).toEqual(oneTo(30))
    })

    test('repeated with the same id answers with the first index and adds nothing', async () => {
      const log = await openLog()
      const first = await log.append('g', 'one', bytes('first'))
      const again = await Promise.all([
        log.append('g', 'two', bytes('2')),
        log.append('g', 'one', bytes('other')),
        log.append('g', 'two', bytes('2')),
      ])
      expect([first, ...again]).toEqual([1, 2, 1, 2])
      expect(await log.append('h', 'one', bytes('first'))).toBe(1)
      const { entries } = watch(log, 'g', 1)
      await until(() => entries.length >= 2)
      expect(entries.map((entry) => new TextDecoder().decode(entry.payload))).toEqual([
        'first',
        '2',
      ])
    })

    test('keeps payloads byte for byte', async () => {
      const log = await openLog()
      const payloads = [new Uint8Array(0), new Uint8Array(1_000_000).map((_, i) => i * 7)]
      for (const [i, payload] of payloads.entries()) await log.append('g', `${i}`, payload)
      const { entries } = watch(log, 'g', 1)
      await until(() => entries.length === 2)
      for (const [i, payload] of payloads.entries()) {
        expect(Buffer.compare(entries[i]?.payload ?? new Uint8Array(1), payload)).toBe(0)
      }
    })
  })

  describe(`${name}: tail`, () => {
    test('delivers what exists and what comes, in order, without gap or repetition', async () => {
      const log = await openLog()
      await appendMany(log, 'g', 40)
      const early = watch(log, 'g', 1)
      const late = watch(log, 'g', 35)
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < 40; i++) await log.append('g', `w${writer}-${i}`, bytes('x'))
      })
      await Promise.all([...writers, appendMany(log, 'other', 20)])
      await until(() => early.entries.length >= 360 && late.entries.length >= 326)
      expect(indices(early.entries)).toEqual(oneTo(360))
      expect(indices(late.entries)).toEqual(oneTo(360).slice(34))
      expect(new Set(early.entries.map((entry) => entry.id)).size).toBe(360)
    })

    test('from an index that does not exist yet waits for it', async () => {
      const log = await openLog()
      const seen = watch(log, 'g', 3)
      await appendMany(log, 'g', 4)
      await until(() => seen.entries.length >= 2)
      expect(indices(seen.entries)).toEqual([3, 4])
    })

    test('waits for each call of its reader before the next', async () => {
      const log = await openLog()
      let running = 0
      let mostRunning = 0
      let seen = 0
      log.tail('g', 1, {
        onEntries: async (entries) => {
          running++
          mostRunning = Math.max(mostRunning, running)
          await new Promise((resolve) => setTimeout(resolve, 2))
          seen += entries.length
          running--
        },
        onFailure: () => {},
      })
      for (let i = 0; i < 20; i++) await log.append('g', `${i}`, bytes('x'))
      await until(() => seen === 20)
      expect(mostRunning).toBe(1)
    })

    test('that was stopped runs no callback any more', async () => {
      const log = await openLog()
      const seen = watch(log, 'g', 1)
      await log.append('g', '1', bytes('x'))
      await until(() => seen.entries.length === 1)
      const append = log.append('g', '2', bytes('x'))
      await seen.tail.stop()
      const seenAtStop = seen.entries.length
      await append
      await log.append('g', '3', bytes('x'))
      const other = watch(log, 'g', 1)
      await until(() => other.entries.length === 3)
      expect(seen.entries.length).toBe(seenAtStop)
      expect(seen.failures).toEqual([])
    })

    test('ends with its reader’s failure', async () => {
      const log = await openLog()
      const failures: unknown[] = []
      let calls = 0
      log.tail('g', 1, {
        onEntries: async () => {
          calls++
          throw new Error('reader failed')
        },
        onFailure: (error) => failures.push(error),
      })
      await log.append('g', '1', bytes('x'))
      await until(() => failures.length > 0)
      await log.append('g', '2', bytes('x'))
      const other = watch(log, 'g', 1)
      await until(() => other.entries.length === 2)
      expect(failures).toMatchObject([{ message: 'reader failed' }])
      expect(calls).toBe(1)
    })
  })

  describe(`${name}: read index`, () => {
    test('is 0 for an empty group', async () => {
      expect(await (await openLog()).readIndex('g')).toBe(0)
    })

    test('is never below an append that was acknowledged before', async () => {
      const log = await openLog()
      let acknowledged = 0
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; i < 25; i++) {
          const index = await log.append('g', `${writer}-${i}`, bytes('x'))
          acknowledged = Math.max(acknowledged, index)
        }
      })
      const readers = Array.from({ length: 4 }, async () => {
        for (let i = 0; i < 25; i++) {
          const atLeast = acknowledged
          expect(await log.readIndex('g')).toBeGreaterThanOrEqual(atLeast)
        }
      })
      await Promise.all([...writers, ...readers])
      expect(await log.readIndex('g')).toBe(100)
    })
  })

  describe(`${name}: trim and close`, () => {
    test('a tail from a trimmed index fails, one behind it goes on', async () => {
      const log = await openLog()
      await appendMany(log, 'g', 10)
      await log.trim('g', 6)
      const below = watch(log, 'g', 5)
      const above = watch(log, 'g', 6)
      await until(() => below.failures.length > 0 && above.entries.length === 5)
      expect(below.failures).toMatchObject([{ code: 'LOG_COMPACTED' }])
      expect(below.entries).toEqual([])
      expect(indices(above.entries)).toEqual([6, 7, 8, 9, 10])
    })

    test('trimming everything keeps the index going on', async () => {
      const log = await openLog()
      await appendMany(log, 'g', 3)
      await log.trim('g', 100)
      expect(await log.readIndex('g')).toBe(3)
      expect(await log.append('g', 'next', bytes('x'))).toBe(4)
    })

    test('closing ends the tails and refuses later calls', async () => {
      const log = await open()
      const seen = watch(log, 'g', 1)
      await log.append('g', '1', bytes('x'))
      await until(() => seen.entries.length === 1)
      await log.close()
      expect(seen.failures).toMatchObject([{ code: 'CLOSED' }])
      for (const call of [() => log.append('g', '2', bytes('x')), () => log.readIndex('g')]) {
        expect(await failureOf(call())).toMatchObject({ code: 'CLOSED' })
      }
    })
  })
}
