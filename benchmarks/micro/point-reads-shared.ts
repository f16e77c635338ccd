/** What benchmarks of point reads share: the table, its rows, and the lines they print. */
import { defineSchema, integer, table, text, timestamp } from '../../src/client/index.ts'

/** Rows of the tenant `acme`. */
const ROWS = 10_000

export const schema = defineSchema({
  tables: {
    orders: table(
      {
        id: text().primaryKey(),
        day: text(),
        email: text(),
        amountCents: integer(),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt' },
    ),
  },
})

export const orderRows = Array.from({ length: ROWS }, (_, n) => ({
  id: `order-${n}`,
  day: `2026-11-${n % 28}`,
  email: `user${n}@example.com`,
  amountCents: n,
}))

/** The id of the i-th read: all over the table, in no order. */
export function orderId(i: number): string {
  return `order-${(i * 7919) % ROWS}`
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] ?? 0
}

/** A line for each kind of call, from milliseconds, in µs. */
export function printQuantiles(msByCall: Readonly<Record<string, readonly number[]>>): void {
  console.log('point read, µs     p50      p95      p99')
  for (const [name, values] of Object.entries(msByCall)) {
    const cells = [0.5, 0.95, 0.99].map((share) => (percentile(values, share) * 1000).toFixed(1))
    console.log(`${name.padEnd(14)} ${cells.map((cell) => cell.padStart(8)).join(' ')}`)
  }
}
