import { describe, expect, it } from 'vitest'
import type { TransactionRequest, WriteOp } from '../../../../src/core/operations.ts'
import { effectsOf, outgoingOf } from '../../../../replication/strong/lease-effects.ts'
import { encodeControl } from '../../../../replication/strong/control.ts'
import { encodeLeaseRecord } from '../../../../replication/strong/leases/lease-record.ts'
import type { DecidedOutcome } from '../../../../replication/strong/outcomes.ts'
import type { PlacedRecord } from '../../../../replication/strong/log-batch.ts'
import { keyScope, rowKeyOf, tenantScope } from '../../../../replication/strong/row-keys.ts'
import { TransactionMachine } from '../../../../replication/strong/transaction-machine.ts'
import type { TransactionCommand } from '../../../../replication/strong/transaction-codec.ts'
import { flags, schema } from '../../../support/local-reads.ts'

const machine = new TransactionMachine(schema, 'local')

function command(
  ops: readonly WriteOp[],
  more: Partial<TransactionRequest> = {},
): TransactionCommand {
  const { txId = 't', contentHash = 'h' } = more
  return { txId, dedupeId: '0'.repeat(32), contentHash, basis: 0, tenant: '', reads: [], ops }
}

const upsert = (id: string, value = 1): WriteOp => ({
  kind: 'upsert',
  table: flags.id,
  rows: [[id, value]],
})

function placed(...commands: TransactionCommand[]): PlacedRecord<TransactionCommand> {
  const record = { machineVersion: 1, schemaVersion: 1, nowMs: 0, kind: 'commands' as const }
  const bytes = commands.map((one) => machine.encode(one))
  return { index: 5, id: 'r', record: { ...record, commands: bytes }, commands }
}

const OK = { index: 5, contentHash: 'h', logTimeMs: 0, outcome: { ok: true, value: null } } as const
const ABORTED: DecidedOutcome = {
  ...OK,
  outcome: { ok: false, failure: { code: 'CONFLICT', details: {} } },
}

const row = (id: string) => rowKeyOf(flags, '', [id])

describe('a hint', () => {
  it('has an id that names one content, whatever ids its client gave', () => {
    const idOf = (one: TransactionCommand) => outgoingOf(machine, [machine.encode(one)])[0]?.txId
    const first = command([upsert('a')])
    expect(idOf(first)).toBe(idOf(command([upsert('a')])))
    expect(idOf(first)).not.toBe(idOf(command([upsert('b')])))
    expect(idOf(first)).not.toBe(idOf(command([upsert('a', 2)])))
  })

  it('names the rows of all operations', () => {
    const ops: WriteOp[] = [
      upsert('a'),
      { kind: 'update', table: flags.id, key: ['b'], cells: [], conditions: [] },
      { kind: 'delete', table: flags.id, key: ['c'], conditions: [] },
    ]
    const [outgoing] = outgoingOf(machine, [machine.encode(command(ops))])
    expect(outgoing?.keys).toEqual(['a', 'b', 'c'].map(row))
  })

  it('of a table that is not known names none: it is waited for by ACK', () => {
    const unknown = command([{ kind: 'delete', table: 99, key: ['c'], conditions: [] }])
    expect(outgoingOf(machine, [machine.encode(unknown)])[0]?.keys).toBeNull()
  })
})

describe('what a record did', () => {
  it('is what its committed transactions wrote', () => {
    const [a, b] = [command([upsert('a')]), command([upsert('b')], { txId: 'u' })]
    const record = placed(a, b)
    const ids = outgoingOf(machine, record.record.commands).map(({ txId }) => txId)
    expect(effectsOf(machine, record, [OK, ABORTED], [row('a')])).toEqual({
      index: 5,
      txIds: ids,
      effective: [{ txId: ids[0], isDeclared: true }],
      writes: [row('a')],
    })
  })

  it('has no hint that counts where it wrote a row that nobody declared', () => {
    const record = placed(command([upsert('a')]))
    const { effective } = effectsOf(machine, record, [OK], [row('a'), row('z')])
    expect(effective.map(({ isDeclared }) => isDeclared)).toEqual([false])
    // Nor does a declaration of a transaction that was aborted count for it.
    const two = placed(command([upsert('a')]), command([upsert('z')], { txId: 'u' }))
    const found = effectsOf(machine, two, [OK, ABORTED], [row('a'), row('z')])
    expect(found.effective.map(({ isDeclared }) => isDeclared)).toEqual([false])
  })

  it('counts as written where it wrote without a transaction', () => {
    const { txIds, effective } = effectsOf(machine, placed(), [], [row('a')])
    expect(effective).toEqual([{ txId: txIds[0], isDeclared: false }])
  })

  it('of a lease is the lease', () => {
    const stamp = { incarnation: 1, seq: 1 }
    const lease = { kind: 'lease' as const, region: 'us', databaseId: 'd', stamp }
    const control = { type: 'lease' as const, record: encodeLeaseRecord(lease) }
    const record = { ...placed(), control }
    expect(encodeControl(control).length).toBeGreaterThan(0)
    expect(effectsOf(machine, record, [], [])).toEqual({
      ...{ index: 5, txIds: [], effective: [], writes: [] },
      lease,
    })
  })
})

describe('scopes', () => {
  it('of a read by key are the row, and of a wrong key all rows of the tenant', () => {
    expect(keyScope(flags, '', ['a'])).toMatchObject({ from: row('a').key, to: row('a').key })
    expect(keyScope(flags, 't', [1])).toEqual(tenantScope(flags, 't'))
  })

  it('of a tenant hold its rows alone', () => {
    const inScope = (tenant: string, of: string): boolean => {
      const { from, to } = tenantScope(flags, of)
      const { key } = rowKeyOf(flags, tenant, ['x'])
      return from !== null && to !== null && key >= from && key <= to
    }
    expect(inScope('t', 't')).toBe(true)
    expect(['t1', 's', '', 'T'].map((tenant) => inScope(tenant, 't'))).not.toContain(true)
  })
})
