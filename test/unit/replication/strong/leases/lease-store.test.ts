import { expect, it } from 'vitest'
import {
  beginLife,
  putLeaseRow,
  putLeaseTop,
  putStableIndex,
  readLeaseRow,
  readLeases,
  readStableIndex,
  SELECT_LEASES,
  selectLeaseRow,
  selectStableIndex,
} from '../../../../../replication/strong/leases/lease-store.ts'
import {
  replacesRow,
  rowOfNextLife,
  type LeaseRow,
} from '../../../../../replication/strong/leases/own-lease.ts'
import { localStore } from '../../../../support/local-reads.ts'

const sent = { monotonicMs: 1.25, bootMs: 20, wallMs: 1_700_000_000_000 }

const ROWS: readonly LeaseRow[] = [1, 2].flatMap((incarnation) =>
  [0, 1, 2].flatMap((seq) => [
    { incarnation, seq, sent: null },
    { incarnation, seq, sent },
  ]),
)

it('the store writes a lease row exactly where the core says that it replaces the stored one', async () => {
  const store = await localStore()
  for (const stored of ROWS) {
    for (const row of ROWS) {
      const id = JSON.stringify([stored, row])
      await store.write([putLeaseRow(id, stored)])
      await store.write([putLeaseRow(id, row)])
      const [result] = await store.read([selectLeaseRow(id)])
      expect(readLeaseRow(result)).toEqual(replacesRow(stored, row) ? row : stored)
    }
  }
})

it('a life begins with the row of the next one, and no other store has it', async () => {
  const store = await localStore()
  const [first] = await store.write([beginLife('a')])
  expect(first?.rows).toEqual([[1]])
  await store.write([putLeaseRow('a', { incarnation: 1, seq: 4, sent })])
  await store.write([beginLife('a')])
  const [a, b] = await store.read([selectLeaseRow('a'), selectLeaseRow('b')])
  expect(readLeaseRow(a)).toEqual(rowOfNextLife({ incarnation: 1, seq: 4, sent }))
  expect(readLeaseRow(b)).toBeUndefined()
})

it('the lease table is read as it was written, and the stable index never goes back', async () => {
  const store = await localStore()
  const top = { region: 'us', databaseId: 'd', index: 3, stamp: { incarnation: 1, seq: 2 } }
  await store.write([putLeaseTop({ ...top, isLive: true })])
  await store.write([putLeaseTop({ ...top, index: 5, isLive: false })])
  await store.write([putStableIndex('d', 9)])
  await store.write([putStableIndex('d', 7)])
  const [leases, stable] = await store.read([SELECT_LEASES, selectStableIndex('d')])
  expect(readLeases(leases)).toEqual([{ ...top, index: 5, isLive: false }])
  expect(readStableIndex(stable)).toBe(9)
})
