/** What every driver of the ChangeLog port must do. */
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ChangeLog, ChangeLogRecord } from '../../src/core/ports/change-log.ts'
import { failureOf } from './support/failure.ts'

/** Records of the positions `from` to `to`, told apart by their bytes. */
export function records(from: number, to: number): ChangeLogRecord[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    position: from + i,
    payload: payloadOf(from + i),
  }))
}

function payloadOf(position: number): Uint8Array {
  return new Uint8Array(position % 7).fill(position)
}

/** `open`: a new, empty log. The suite closes it. */
export function describeChangeLogSuite(name: string, open: () => Promise<ChangeLog>): void {
  const openLog = async (): Promise<ChangeLog> => {
    const log = await open()
    onTestFinished(() => log.close())
    return log
  }

  describe(`${name}: records`, () => {
    test('an empty log ends at 0 and reads as nothing', async () => {
      const log = await openLog()
      expect(await log.end()).toBe(0)
      expect(await log.read(0, 10)).toEqual([])
      await log.append([])
      expect(await log.end()).toBe(0)
    })

    test('what was appended is read back byte for byte, from any position, in order', async () => {
      const log = await openLog()
      await log.append(records(1, 3000))
      for (let position = 3001; position <= 3020; position++) {
        await log.append(records(position, position))
      }
      expect(await log.end()).toBe(3020)
      for (const [position, max] of [
        [0, 5000],
        [0, 1],
        [1, 1500],
        [1023, 3],
        [2990, 25],
        [3020, 5],
      ]) {
        const read = await log.read(position ?? 0, max ?? 0)
        const to = Math.min(3020, (position ?? 0) + (max ?? 0))
        expect(read).toStrictEqual(records((position ?? 0) + 1, to))
      }
    })

    test('a read gives at least one record when there is one', async () => {
      const log = await openLog()
      await log.append(records(1, 3))
      expect(await log.read(0, 0)).toHaveLength(1)
    })

    test('records at or below the end are dropped', async () => {
      const log = await openLog()
      await log.append(records(1, 10))
      await log.append(records(4, 12))
      await log.append(records(1, 5))
      expect(await log.read(0, 100)).toStrictEqual(records(1, 12))
    })

    test('a missing position is refused and nothing of the call is appended', async () => {
      const log = await openLog()
      await log.append(records(1, 4))
      const inside = [...records(5, 6), ...records(8, 9)]
      for (const gap of [records(6, 7), inside]) {
        expect(await failureOf(log.append(gap))).toMatchObject({ code: 'LOG_GAP' })
      }
      expect(await log.end()).toBe(4)
      await log.append(records(5, 6))
      expect(await log.read(0, 100)).toStrictEqual(records(1, 6))
    })

    test('appends that overlap in time are judged one after another', async () => {
      const log = await openLog()
      const settled = await Promise.allSettled([
        log.append(records(1, 5)),
        log.append(records(7, 8)),
        log.append(records(6, 9)),
        log.append(records(3, 7)),
        log.append(records(10, 10)),
      ])
      expect(settled.map((outcome) => outcome.status === 'fulfilled')).toEqual([
        true,
        false,
        true,
        true,
        true,
      ])
      expect(await log.read(0, 100)).toStrictEqual(records(1, 10))
    })

    test('any sequence of appends, trims and reads agrees with a plain list', async () => {
      const step = fc.oneof(
        fc.record({
          kind: fc.constant('append'),
          at: fc.integer({ min: -3, max: 2 }),
          n: fc.nat(40),
        }),
        fc.record({ kind: fc.constant('trim'), at: fc.nat(100), n: fc.constant(0) }),
        fc.record({
          kind: fc.constant('read'),
          at: fc.nat(100),
          n: fc.integer({ min: 1, max: 60 }),
        }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
          const log = await open()
          let end = 0
          let trimmed = 0
          for (const { kind, at, n } of steps) {
            if (kind === 'append') {
              const from = Math.max(1, end + 1 + at)
              const append = log.append(records(from, from + n))
              if (from > end + 1) await failureOf(append)
              else {
                await append
                end = Math.max(end, from + n)
              }
            } else if (kind === 'trim') {
              await log.trim(at)
              trimmed = Math.max(trimmed, Math.min(at, end))
            } else if (at < trimmed) {
              expect(await failureOf(log.read(at, n))).toMatchObject({ code: 'LOG_COMPACTED' })
            } else {
              const to = Math.min(end, at + n)
              expect(await log.read(at, n)).toStrictEqual(at >= end ? [] : records(at + 1, to))
            }
          }
          expect(await log.end()).toBe(end)
          await log.close()
        }),
        { numRuns: 25 },
      )
    })

    test('a listener runs after every append that added records', async () => {
      const log = await openLog()
      const ends: Promise<number>[] = []
      const remove = log.onAppend(() => ends.push(log.end()))
      await log.append(records(1, 2))
      await log.append(records(1, 2))
      await failureOf(log.append(records(9, 9)))
      await log.append(records(3, 3))
      expect(await Promise.all(ends)).toEqual([2, 3])
      remove()
      await log.append(records(4, 4))
      expect(ends).toHaveLength(2)
    })

    test('closing finishes the waiting appends and refuses later calls', async () => {
      const log = await open()
      const append = log.append(records(1, 5))
      const closing = log.close()
      await append
      await closing
      const calls = [() => log.append(records(6, 6)), () => log.end(), () => log.read(0, 1)]
      for (const call of calls) expect(await failureOf(call())).toMatchObject({ code: 'CLOSED' })
    })
  })
}
