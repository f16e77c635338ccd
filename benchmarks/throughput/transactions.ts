/** The transactions that are measured, as messages of the protocol, and what their answers say. */
import { MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { WriteOp } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { encodeTransaction } from '../../replication/strong/transaction-codec.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts'
import { PROTOCOL_VERSION, type RequestBody, type Response } from '../../src/protocol/messages.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import type { MessageClient } from './pipelined-client.ts'
import type { Work } from './options.ts'

/** Rows of each region's own that are replaced again and again. */
const ROWS = 5000
const VALUE = 'value of a row that a service might keep'
const COUNTER_ID = 'counter'
const DEADLINE_MS = 30_000
const LOG = 'log:main'
const { clock, random } = systemRuntime

/** What became of a transaction. */
export type Answered =
  | { readonly ok: true; readonly index: number }
  | { readonly ok: false; readonly code: string }

/** Sends transactions of one region. */
export class RegionTransactions {
  readonly #client: MessageClient
  readonly #region: string
  readonly #schema: CompiledSchema
  readonly #table: CompiledTable
  /** The log index that the region knows: the basis of what it sends. */
  #known = 0
  #count = 0

  constructor(client: MessageClient, region: string, schema: CompiledSchema) {
    this.#client = client
    this.#region = region
    this.#schema = schema
    this.#table = schema.tables.find(({ name }) => name === 'strongRows') as CompiledTable
  }

  /** Learns how far the log is. @throws MeridianError what the node says */
  async begin(): Promise<void> {
    const value = await this.#ask({ kind: 'hello' })
    this.#known = (value as { positions: Record<string, number> }).positions[LOG] ?? 0
  }

  /** Makes the row that all increments are of, 0 of them. @throws MeridianError what the node says */
  async createCounter(): Promise<void> {
    const op = this.#upsert(COUNTER_ID, 0)
    const answered = await this.#commit(op)
    if (!answered.ok) throw new MeridianError('INTERNAL', `No counter: ${answered.code}.`)
  }

  /** The increments that this region sees, as of now. @throws MeridianError what the node says */
  async readCounter(): Promise<number> {
    const place = this.#place('amount')
    const keys = [[COUNTER_ID]]
    const table = this.#table.id
    const body = { kind: 'get', table, tenant: '', keys, level: 'strong' } as const
    const { rows } = (await this.#ask(body)) as { rows: ({ image: unknown[] } | null)[] }
    return Number(rows[0]?.image[place])
  }

  /** Runs the next transaction. Rejects where the node gives no answer. */
  next(work: Work): Promise<Answered> {
    return this.#commit(this.#nextOp(work))
  }

  /** The bytes of the next transaction in a record of the log. */
  loggedBytes(work: Work): number {
    const txId = newTxId(clock, random)
    const ids = { txId, contentHash: txId, dedupeId: '0'.repeat(32), basis: this.#known }
    return encodeTransaction({ ...ids, tenant: '', reads: [], ops: [this.#nextOp(work)] }).length
  }

  #nextOp(work: Work): WriteOp {
    const count = this.#count++
    if (work === 'rows') return this.#upsert(`${this.#region}-${count % ROWS}`, count)
    const op = { kind: 'increment', by: 1, floor: null } as const
    const cells = [{ column: this.#place('amount'), op }]
    const key = [COUNTER_ID]
    return { kind: 'update', table: this.#table.id, key, cells, conditions: [] }
  }

  #upsert(id: string, amount: number): WriteOp {
    const image: SqlValue[] = []
    for (const [name, value] of Object.entries({ id, value: VALUE, amount })) {
      image[this.#place(name)] = value
    }
    return { kind: 'upsert', table: this.#table.id, rows: [image] }
  }

  /** Where a column is in the image of a row. */
  #place(name: string): number {
    const { columnByName, valueIndex } = this.#table
    return valueIndex.get(columnByName.get(name)?.id ?? 0) ?? 0
  }

  async #commit(op: WriteOp): Promise<Answered> {
    const txId = newTxId(clock, random)
    const response = await this.#send({
      kind: 'commit',
      request: {
        ...{ txId, tenant: '', reads: [], ops: [op], idempotencyKey: txId, contentHash: txId },
        issuedAtMs: clock.nowMs(),
        basis: this.#known,
      },
    })
    if (!response.ok) return { ok: false, code: response.error.code }
    const index = response.session.positions[LOG] ?? 0
    this.#known = Math.max(this.#known, index)
    return { ok: true, index }
  }

  async #ask(body: RequestBody): Promise<unknown> {
    const response = await this.#send(body)
    if (response.ok) return response.value
    throw new MeridianError(response.error.code, response.error.message)
  }

  async #send(body: RequestBody): Promise<Response> {
    const header = {
      version: PROTOCOL_VERSION,
      schemaVersion: this.#schema.version,
      principal: null,
      clientRegion: this.#region,
      timeoutMs: DEADLINE_MS,
      session: { positions: {}, nowMs: 0 },
      trace: null,
      forwarded: false,
    }
    return decodeResponse(await this.#client.request(encodeRequest({ header, body })))
  }
}
