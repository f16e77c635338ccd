import { describe, expect, test } from 'vitest'
import { rowDeltas } from '../../../../cdc/views/row-deltas.ts'
import type { Change, RowImage } from '../../../../src/core/change.ts'
import { ORDERS, PLANS } from '../../../support/stream-schema.ts'

function change(id: string, before: RowImage | null, after: RowImage | null): Change {
  return {
    localSeq: 1,
    origin: { source: 'eu.1', epoch: 1, seq: 1 },
    txId: 'tx',
    index: 0,
    size: 1,
    hlc: '0192aabbccdd0001',
    schemaVersion: 1,
    cause: 'user',
    tableId: ORDERS.id,
    op: 'update',
    tenant: 'acme',
    key: [id],
    before,
    after,
    version: 'v',
    delta: null,
  }
}

describe('net changes', () => {
  test('a row has the image before its first change and after its last, and those between', () => {
    const a: RowImage = ['a', 'x', 1]
    const b: RowImage = ['a', 'y', 2]
    const c: RowImage = ['a', 'z', 3]
    const changes = [change('a', a, b), change('a', b, c)]
    expect(rowDeltas(ORDERS, changes)).toEqual([
      { tenant: 'acme', key: '["a"]', before: a, between: [b], after: c },
    ])
  })

  test('a row that came and went has no image at either end', () => {
    const row: RowImage = ['a', 'x', 1]
    const changes = [change('a', null, row), change('a', row, null), change('a', null, row)]
    expect(rowDeltas(ORDERS, [...changes, change('a', row, null)])).toEqual([
      { tenant: 'acme', key: '["a"]', before: null, between: [row, row], after: null },
    ])
  })

  test('rows of other tables and tenants are others', () => {
    const row: RowImage = ['a', 'x', 1]
    const changes = [change('a', null, row), { ...change('a', null, row), tenant: 'other' }]
    expect(rowDeltas(ORDERS, changes)).toHaveLength(2)
    expect(rowDeltas(PLANS, changes)).toEqual([])
  })
})
