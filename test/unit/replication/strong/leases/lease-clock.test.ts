import { describe, expect, it } from 'vitest'
import {
  holderElapsedMs,
  leaseOverAfterMs,
  readClocks,
  waiterElapsedMs,
  type ClockReading,
} from '../../../../../replication/strong/leases/lease-clock.ts'
import {
  isUnexpired,
  replacesRow,
  rowOfNextLife,
} from '../../../../../replication/strong/leases/own-lease.ts'

const START: ClockReading = { monotonicMs: 5000, bootMs: 9000, wallMs: 1_700_000_000_000 }

const after = (monotonicMs: number, bootMs: number, wallMs: number): ClockReading => ({
  monotonicMs: START.monotonicMs + monotonicMs,
  bootMs: START.bootMs + bootMs,
  wallMs: START.wallMs + wallMs,
})

describe('lease time', () => {
  it('is the longest of all clocks for a holder, with the step of the boot clock', () => {
    expect(holderElapsedMs(START, after(100, 100, 100))).toBe(110)
    expect(holderElapsedMs(START, after(100, 3100, 3100))).toBe(3110)
    expect(holderElapsedMs(START, after(100, 100, 3_600_000))).toBe(3_600_000)
    expect(holderElapsedMs(START, after(200, 100, -3_600_000))).toBe(200)
  })

  it('is the shortest for a waiter, and never that of the wall', () => {
    expect(waiterElapsedMs(START, after(100, 3100, 3_600_000))).toBe(100)
    expect(waiterElapsedMs(START, after(3100, 100, 3_600_000))).toBe(100)
    expect(waiterElapsedMs(START, after(100, 110, -3_600_000))).toBe(100)
  })

  it('leaves room for a slow holder and a fast waiter', () => {
    const durationMs = 9000
    for (const rate of [0.001, 0.02, 0.4]) {
      const waiterRealMs = leaseOverAfterMs(durationMs, rate) / (1 + rate)
      const holderRealMs = durationMs / (1 - rate)
      expect(waiterRealMs).toBeCloseTo(holderRealMs, 6)
    }
    expect(leaseOverAfterMs(durationMs, 0)).toBe(durationMs)
  })

  it('is read from all clocks of the machine', () => {
    const clock = { nowMs: () => 3, monotonicMs: () => 1, bootMs: () => 2 }
    expect(readClocks(clock)).toEqual({ monotonicMs: 1, bootMs: 2, wallMs: 3 })
  })
})

describe('the lease row', () => {
  it('of a new life has no lease, and a higher incarnation', () => {
    expect(rowOfNextLife(undefined)).toEqual({ incarnation: 1, seq: 0, sent: null })
    const row = { incarnation: 4, seq: 9, sent: START }
    expect(rowOfNextLife(row)).toEqual({ incarnation: 5, seq: 0, sent: null })
  })

  it('gives way to newer ones only, and to its own end', () => {
    const stored = { incarnation: 2, seq: 3, sent: START }
    expect(replacesRow(undefined, stored)).toBe(true)
    expect(replacesRow(stored, { ...stored, seq: 4 })).toBe(true)
    expect(replacesRow(stored, stored)).toBe(false)
    expect(replacesRow(stored, { ...stored, sent: null })).toBe(true)
    expect(replacesRow({ ...stored, sent: null }, stored)).toBe(false)
    expect(replacesRow(stored, { incarnation: 1, seq: 9, sent: START })).toBe(false)
    expect(replacesRow(stored, { incarnation: 1, seq: 9, sent: null })).toBe(false)
    expect(replacesRow(stored, { incarnation: 3, seq: 0, sent: null })).toBe(true)
  })

  it('is good until the lease has run, counted from before it was sent', () => {
    const row = { incarnation: 1, seq: 1, sent: START }
    expect(isUnexpired(row, 1000, after(989, 989, 989))).toBe(true)
    expect(isUnexpired(row, 1000, after(990, 990, 990))).toBe(false)
    expect(isUnexpired({ ...row, sent: null }, 1000, START)).toBe(false)
  })
})
