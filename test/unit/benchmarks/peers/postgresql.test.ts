/** What is said of PostgreSQL, and which rows its calls are about. */
import { expect, it } from 'vitest'
import { rowId } from '../../../../benchmarks/peers/bench-rows.ts'
import { commitDurability } from '../../../../benchmarks/peers/postgresql/open-postgresql.ts'

it('durability names the members that hold a commit', () => {
  const topology = { regions: ['a', 'b', 'c', 'd', 'e'], oneWayMs: {} }
  expect(commitDurability(topology, 2)).toBe(
    'fsync on a majority: the primary and any 2 of 4 standbys (synchronous_commit = on)',
  )
  expect(commitDurability({ regions: ['a'], oneWayMs: {} }, 0)).toBe(
    'fsync on the primary (synchronous_commit = on, no standby)',
  )
})

it('no two of a thousand calls in a row are about the same row, and no two regions share one', () => {
  const ids = ['us', 'eu'].flatMap((region) =>
    Array.from({ length: 1_000 }, (_, i) => rowId(region, 5_500 + i)),
  )
  expect(new Set(ids).size).toBe(2_000)
})
