/** Strong tables in one region: transactions in one order everywhere, and what reads need of it. */
import { logSource } from '../../src/core/change.ts'
import { isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { formatHlc } from '../../src/core/hlc.ts'
import {
  MAX_GUARD_CONDITIONS,
  MAX_GUARD_ORDER,
  MAX_GUARD_QUERIES,
  MAX_GUARD_VALUES,
  MAX_GUARDED_ROWS,
} from '../../src/core/limits.ts'
import {
  guardedRows,
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type CellOp,
  type ReadCheck,
  type TransactionRequest,
  type TransactionResult,
  type WriteOp,
} from '../../src/core/operations.ts'
import type { TransactionEngine } from '../../src/core/ports/engine.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { isColumnList, normalizeRange } from '../../src/schema/range.ts'
import type { ActiveTables } from './active-tables.ts'
import { dedupeIdOf } from './dedupe-id.ts'
import type { GroupLeases } from './group-leases.ts'
import { LogGroup } from './log-group.ts'
import type { CallOptions, LogGroupOptions, LogGroupStatus } from './log-group-options.ts'
import { selectAnyExpired } from './row-reads.ts'
import { prepareGuard } from './sql-view.ts'
import { queryError } from '../../src/sql/scope-query.ts'
import type { OperatedGroup } from './operated-group.ts'
import type { OfferedGroup } from './snapshot-server.ts'
import { tableSnapshot, type SnapshotChanges } from './snapshot-source.ts'
import { LEASE_TABLE, snapshotTable } from './snapshot-tables.ts'
import { groupTables, type TransactionValue } from './transaction-batch.ts'
import { TransactionMachine } from './transaction-machine.ts'
import type { TransactionCommand } from './transaction-codec.ts'

/** What a strong engine needs. */
export interface StrongEngineOptions extends Omit<
  LogGroupOptions<TransactionCommand>,
  'group' | 'machine' | 'schemaVersion' | 'state'
> {
  readonly schema: CompiledSchema
  /** The log group of the tables that this engine serves. */
  readonly group: string
  /**
   * Refuses tenants that strong tables may not hold: `Directory.requireEverywhere`. Asked before
   * a transaction of a tenant is sent.
   */
  readonly admit: (tenant: string) => Promise<void>
}

/** Opens the engine and starts to follow the log. */
export async function createStrongEngine(options: StrongEngineOptions): Promise<StrongEngine> {
  const { schema, group, faults } = options
  const machine = new TransactionMachine(schema, group, faults)
  const rows = groupTables(schema, group).map(snapshotTable)
  const state = { schema, tables: options.localReads === undefined ? rows : [...rows, LEASE_TABLE] }
  const log = await LogGroup.open({ ...options, machine, schemaVersion: schema.version, state })
  return new StrongEngine(options, log, machine.schemas)
}

export class StrongEngine implements TransactionEngine {
  /** What sessions call the log: `log:<group>`. */
  readonly source: string
  readonly #options: StrongEngineOptions
  readonly #log: LogGroup<TransactionCommand>
  readonly #active: ActiveTables

  constructor(
    options: StrongEngineOptions,
    log: LogGroup<TransactionCommand>,
    active: ActiveTables,
  ) {
    this.source = logSource(options.group)
    this.#options = options
    this.#log = log
    this.#active = active
  }

  /**
   * Commits a transaction in the log's order; resolves once this region has applied it. Strictly
   * serializable. Repeating a request, in any region, has one effect and one answer.
   *
   * @throws MeridianError as `TransactionEngine.commit` says, and `RESIDENCY_DENIED`,
   * `UNKNOWN_TABLE`, `MODE_MISMATCH`, `TENANT_REQUIRED`, `OVERLOADED`, `TRANSACTION_TOO_LARGE`,
   * `POSITION_LOST`, `QUERY_REFUSED`, `QUERY_FAILED`, `DEADLINE_EXCEEDED` (retry `unknown-outcome` once it was sent)
   */
  async commit(request: TransactionRequest, call: CallOptions = {}): Promise<TransactionResult> {
    requireIdentity(request)
    for (const op of [...request.ops, ...request.reads]) this.#requireTable(op, request.tenant)
    request.ops.forEach(requireCheap)
    this.#requireRanges(request.reads)
    this.#requireColumns(request.reads)
    const statements = this.#requireSql(request)
    if (request.tenant !== '') await this.#options.admit(request.tenant)
    await this.#requireCheapSql(statements)
    const applied = await this.#log.propose(toCommand(request), call)
    const { txId, updated } = applied.value as TransactionValue
    return {
      txId,
      updated: this.#widened(request.ops, updated),
      position: { source: this.source, seq: applied.index },
      hlc: formatHlc(applied.logTimeMs, 0),
    }
  }

  /** @throws MeridianError as `LogGroup.readIndex`, which see */
  readIndex(call: CallOptions = {}): Promise<number> {
    return this.#log.readIndex(call)
  }

  /** @throws MeridianError `DEADLINE_EXCEEDED`, or why the group stopped */
  waitApplied(index: number, call: CallOptions = {}): Promise<void> {
    return this.#log.waitApplied(index, call)
  }

  /** @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, or why the group stopped */
  catchUp(call: CallOptions = {}): Promise<void> {
    return this.#log.catchUp(call)
  }

  /** The last index that this region has applied: the basis of a transaction that begins now. */
  applied(): number {
    return this.#log.applied()
  }

  /** The log's time at `applied()`, in ms: expiry of strong rows is judged by it. */
  logTimeMs(): number {
    return this.#log.logTimeMs()
  }

  /**
   * The instant by which rows of a strong table have expired for readers now, in ms: none have where
   * the log has not come to the table's TTL, though this node's schema has.
   */
  expiryNowMs(table: CompiledTable): number {
    const active = this.#active.schema().tableById.get(table.id)
    const isAhead = table.ttl !== null && active?.ttl === null
    return isAhead ? Number.MIN_SAFE_INTEGER : this.logTimeMs()
  }

  /**
   * Appends ticks until no row is left that has expired. Called now and then by one region, the
   * log leader's: the log's time moves on, and expired rows go.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`, or why the group stopped
   */
  async sweep(call: CallOptions = {}): Promise<void> {
    const { group, store, runtime } = this.#options
    // What the log has not come to, no tick would delete.
    const tables = groupTables(this.#active.schema(), group).filter((table) => table.ttl !== null)
    if (tables.length === 0 || this.status().reseeding !== undefined) return
    for (;;) {
      const nowMs = Math.max(runtime.clock.nowMs(), this.logTimeMs())
      const [result] = await store.read([selectAnyExpired(tables, nowMs)])
      if (result?.rows[0]?.[0] !== 1) return
      await this.#log.tick(call)
    }
  }

  /**
   * For reads of strong rows: call it before, and what it returns after them.
   *
   * @throws MeridianError `LOG_UNAVAILABLE` while this region is being seeded again
   */
  seal(): () => void {
    return this.#log.seal()
  }

  status(): LogGroupStatus {
    return this.#log.status()
  }

  /** The log is needed from here on; undefined while that is not known. */
  retainFrom(): number | undefined {
    return this.#log.retainFrom()
  }

  /** What other regions are seeded with. `changes`: the outbox of this region's store, for one of them. */
  offer(changes: () => SnapshotChanges, maxPageRows?: number): OfferedGroup {
    const { schema, group, store } = this.#options
    const tables = groupTables(schema, group).map(snapshotTable)
    const pages = maxPageRows === undefined ? {} : { maxPageRows }
    return {
      group,
      machineVersion: () => this.#log.machineVersion(),
      schema,
      applied: () => this.applied(),
      requireWhole: () => this.#log.requireWhole(),
      peerState: () => this.#log.peerState(),
      snapshot: () => tableSnapshot({ group, store, ...pages }, tables, changes()),
    }
  }

  /** This region's copy, as its operator acts on it. */
  operated(): OperatedGroup {
    return this.#log
  }

  /** Of a group whose strong reads are local. */
  get leases(): GroupLeases | undefined {
    return this.#log.leases
  }

  /** Returns the lease, if there is one, and stops following the log. */
  async close(): Promise<void> {
    await this.#log.leases?.release()
    await this.#log.close()
  }

  /** Outcomes are as wide as the log's tables, answers as this node's. */
  #widened(
    ops: readonly WriteOp[],
    updated: TransactionValue['updated'],
  ): TransactionValue['updated'] {
    const tables = ops.filter(({ kind }) => kind === 'update').map(({ table }) => table)
    return updated.map((image, i) => this.#active.widen(tables[i] ?? 0, image))
  }

  /** Every region reads the ranges again when it applies the transaction: they stay small. */
  #requireRanges(reads: readonly ReadCheck[]): void {
    const rows = guardedRows(reads)
    if (rows > MAX_GUARDED_ROWS) {
      throw new MeridianError(
        'TRANSACTION_TOO_LARGE',
        `The ranges that the transaction read cover ${rows} rows; ${MAX_GUARDED_ROWS} are allowed.`,
        { fix: 'Read smaller ranges: name more conditions, or a lower limit.' },
      )
    }
    for (const read of reads.filter(isRangeGuard)) {
      const table = this.#options.schema.tableById.get(read.table) as CompiledTable
      if (normalizeRange(table, read.range) !== undefined) continue
      throw new MeridianError(
        'INVALID_ARGUMENT',
        `A range that the transaction read is not one of '${table.name}', or asks too much.`,
        {
          fix:
            `Compare its columns with values of their types: at most ${MAX_GUARD_CONDITIONS} ` +
            `conditions of ${MAX_GUARD_VALUES} values, ordered by ${MAX_GUARD_ORDER} columns.`,
          details: { table: table.name },
        },
      )
    }
  }

  /** Every region runs the statements again: what it would refuse is not sent. */
  #requireSql({ reads, tenant }: TransactionRequest): Statement[] {
    const { schema, group } = this.#options
    const guards = reads.filter(isSqlGuard)
    if (guards.length > MAX_GUARD_QUERIES) {
      throw new MeridianError(
        'TRANSACTION_TOO_LARGE',
        `The transaction read SQL ${guards.length} times; ${MAX_GUARD_QUERIES} are allowed.`,
        { fix: 'Ask for more in one query.' },
      )
    }
    const scope = { schema, tenant, nowMs: this.logTimeMs() }
    return guards.map((guard) => prepareGuard(scope, group, guard).statement)
  }

  /**
   * Runs SQL here first, where it may take no longer than SQL of users: what a sender never ran, and
   * no region would come to the end of, is not sent. What it gives does not matter here: a
   * repetition of a transaction that has taken effect may well find something else.
   */
  async #requireCheapSql(statements: readonly Statement[]): Promise<void> {
    for (const statement of statements) {
      try {
        await this.#options.store.query(statement)
      } catch (error) {
        if (!isErrorCode(error, 'RESULT_TOO_LARGE')) throw queryError(error)
      }
    }
  }

  #requireColumns(reads: readonly ReadCheck[]): void {
    for (const read of reads.filter(isColumnGuard)) {
      const table = this.#options.schema.tableById.get(read.table) as CompiledTable
      if (isColumnList(table, read.columns)) continue
      throw new MeridianError(
        'INVALID_ARGUMENT',
        `Columns that the transaction read are not those of '${table.name}', ascending and once each.`,
        { fix: 'Name columns of the table.', details: { table: table.name } },
      )
    }
  }

  #requireTable(op: Pick<WriteOp, 'table'>, tenant: string): void {
    const table = this.#options.schema.tableById.get(op.table)
    if (table === undefined) {
      throw new MeridianError('UNKNOWN_TABLE', `There is no table with id ${op.table}.`)
    }
    if (table.logGroup !== this.#options.group) {
      throw new MeridianError(
        'MODE_MISMATCH',
        `Table '${table.name}' is not in the log group '${this.#options.group}'.`,
        { fix: 'Write tables of one consistency, with the same `reads`, in one transaction.' },
      )
    }
    if ((table.scope === 'tenant') === (tenant !== '')) return
    throw new MeridianError(
      'TENANT_REQUIRED',
      `Table '${table.name}' has ${table.scope} scope; the transaction runs ${tenant === '' ? 'without' : 'with'} a tenant.`,
      { fix: 'Use `db.tenant(id)` for tenant tables, `db` for global ones.' },
    )
  }
}

const PLAIN_TOKEN = /^[\x21-\x7e]{1,128}$/

/** What goes into the log as it came must be what every store takes: the log cannot skip it. */
function requireIdentity(request: TransactionRequest): void {
  for (const name of ['txId', 'contentHash'] as const) {
    if (PLAIN_TOKEN.test(request[name])) continue
    throw new MeridianError('INVALID_ARGUMENT', `The transaction's ${name} is not a plain token.`, {
      fix: 'Use 1 to 128 printable ASCII characters without spaces.',
    })
  }
  if (Number.isSafeInteger(request.basis) && request.basis >= 0) return
  throw new MeridianError('INVALID_ARGUMENT', `The basis ${request.basis} is not a log index.`)
}

/**
 * Operations of columns that merge have no column in a strong table. What they cost is more than
 * their bytes, and every region would pay it, again after every restart: they stay out of the log.
 */
function requireCheap(op: WriteOp): void {
  if (op.kind !== 'update') return
  const merging = op.cells.find(({ op: { kind } }) => MERGING.has(kind))
  if (merging === undefined) return
  throw new MeridianError(
    'INVALID_VALUE',
    `The operation \`${merging.op.kind}\` does not work in strong tables.`,
    { fix: 'Set the value, or use an eventual table.' },
  )
}

const MERGING: ReadonlySet<CellOp['kind']> = new Set(['add', 'remove', 'text'])

function toCommand(request: TransactionRequest): TransactionCommand {
  const { txId, tenant, reads, ops, contentHash, basis, idempotencyKey } = request
  const dedupeId = dedupeIdOf(tenant, idempotencyKey)
  return { txId, dedupeId, contentHash, basis, tenant, reads, ops }
}
