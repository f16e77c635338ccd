/** Calls check what they were given; what is waited for elsewhere is looked for until it shows. */
import { describe, expect, test } from 'vitest'
import { LevelCheck, levelRead, type ReadableTable } from '../../../../benchmarks/cells/calls.ts'
import { formatHlc } from '../../../../src/core/hlc.ts'
import { committedMs, freshIds, untilSeen } from '../../../../benchmarks/cells/until-seen.ts'
import type { CellKey } from '../../../../benchmarks/measure/cell.ts'
import type { ReadLevel, Receipt } from '../../../../src/client/index.ts'
import { asCall } from '../../../../src/client/call.ts'

const STRONG: CellKey = { op: 'read', mode: 'strong', origin: 'a', home: 'b', level: 'strong' }

/** A table that delivers one level whatever is asked for. */
function tableThatDelivers(level: ReadLevel, value: object | undefined = {}): ReadableTable {
  const receipt: Receipt = {
    ...{ level, region: 'a', source: 'log', stalenessMs: 3 },
    ...{ crossRegionRoundTrips: 1, requests: 2 },
  }
  return { get: () => asCall(Promise.resolve({ value, receipt })) }
}

const anyId = (): string => 'row'

describe('a read', () => {
  test('tells level, staleness and requests of its receipt', async () => {
    const read = levelRead(STRONG, tableThatDelivers('strong'), anyId, {})
    expect(await read.operation(0)).toEqual({ level: 'strong', stalenessMs: 3, attempts: 2 })
    expect(() => read.check()).not.toThrow()
  })

  test('that was given another level fails, and its cell does', async () => {
    const read = levelRead(STRONG, tableThatDelivers('session'), anyId, {})
    await expect(read.operation(0)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(() => read.check()).toThrow(/asked for 'strong' and was given 'session'/)
  })

  test('with a bound is content with the same bound alone', () => {
    const check = new LevelCheck({ ...STRONG, level: { maxStalenessMs: 1000 } })
    expect(() => check.require({ maxStalenessMs: 1000 })).not.toThrow()
    expect(() => check.require({ maxStalenessMs: 2000 })).toThrow(/1000.*2000/)
  })

  test('fails where there is no row', async () => {
    const table: ReadableTable = {
      get: (key, options) =>
        asCall(
          tableThatDelivers('strong')
            .get(key, options)
            .withReceipt()
            .then(({ receipt }) => ({ value: undefined, receipt })),
        ),
    }
    const read = levelRead(STRONG, table, anyId, {})
    await expect(read.operation(0)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('waiting until something is seen', () => {
  test('looks again and again, and ends with the look that sees it', async () => {
    let looks = 0
    await untilSeen({ expectedAfterMs: 0, look: () => Promise.resolve(++looks === 3) })
    expect(looks).toBe(3)
  })

  test('does not look while there can be nothing to see', async () => {
    const startMs = performance.now()
    let firstMs = 0
    const tookMs = await untilSeen({
      expectedAfterMs: 30,
      look: () => {
        firstMs ||= performance.now() - startMs
        return Promise.resolve(performance.now() - startMs >= 30)
      },
    })
    // Timers may fire a millisecond early.
    expect(firstMs).toBeGreaterThan(26)
    expect(tookMs).toBeGreaterThanOrEqual(29)
  })

  test('counts from the commit, and begins to look as much earlier', async () => {
    const startMs = performance.now()
    const tookMs = await untilSeen({
      sinceMs: startMs - 1_000,
      expectedAfterMs: 1_000,
      look: () => Promise.resolve(true),
    })
    const passedMs = performance.now() - startMs
    expect(tookMs).toBeGreaterThanOrEqual(1_000)
    expect(tookMs).toBeLessThanOrEqual(1_000 + passedMs)
    // It has not waited for the second that is over.
    expect(passedMs).toBeLessThan(900)
  })

  test('gives up in time', async () => {
    const never = untilSeen({
      expectedAfterMs: 0,
      timeoutMs: 10,
      look: () => Promise.resolve(false),
    })
    await expect(never).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  test('fails with what the look fails with', async () => {
    const failing = untilSeen({
      expectedAfterMs: 0,
      look: () => Promise.reject(new Error('cut off')),
    })
    await expect(failing).rejects.toThrow('cut off')
  })

  test('names of rows are not used twice, in this run or another', () => {
    const [first, second] = [freshIds('a'), freshIds('a')]
    expect(new Set([first(), first(), second(), second()]).size).toBe(4)
  })
})

describe('when a write was committed', () => {
  const wallMs = Math.floor(performance.timeOrigin) + 5_000
  const committed = wallMs - performance.timeOrigin
  const hlc = formatHlc(wallMs, 3)

  test('is what its timestamp says, to a millisecond', () => {
    const times = { calledMs: committed - 2, acknowledgedMs: committed + 100 }
    expect(committedMs(hlc, times)).toBe(committed)
  })

  test('is between its call and its acknowledgement, wherever the wall clock was set', () => {
    expect(committedMs(hlc, { calledMs: committed + 1, acknowledgedMs: committed + 9 })).toBe(
      committed + 1,
    )
    expect(committedMs(hlc, { calledMs: 0, acknowledgedMs: 10 })).toBe(10)
  })

  test('is not known of a write without a timestamp', () => {
    const times = { calledMs: 0, acknowledgedMs: 1 }
    expect(() => committedMs(undefined, times)).toThrow(
      expect.objectContaining({ code: 'INTERNAL' }),
    )
  })
})
