/**
 * Driver: a store in a libSQL server (sqld, Turso, `meridian store`), by HTTP or WebSocket.
 *
 * A commit of any number of waiting writes is one round trip, and so is a read of several
 * statements on one snapshot (`batch-plan.ts`, `hrana-connection.ts`). What a server cannot do for
 * a client is done here: column origins (`column-origins.ts`), one node a store and no late write
 * (`store-lease.ts`).
 *
 * Durability is the server's: a commit is answered once the server has committed it. With
 * `PRAGMA synchronous` at 2 it was then forced to the disk; at 1, sqld's default, the last commits
 * may be lost in a power cut of the server, not with its process. sqld has 2 with the namespace
 * option `durability_mode: "strong"`. Which it is, `durability` tells.
 */
import { MeridianError } from '../../../core/errors.ts'
import { newShortId } from '../../../core/ids.ts'
import { MAX_QUEUED_WRITES } from '../../../core/limits.ts'
import type { CancelTimer, Runtime } from '../../../core/ports/runtime.ts'
import type {
  DescribedResult,
  Statement,
  StatementResult,
  Store,
} from '../../../core/ports/store.ts'
import { bindStatement } from '../bind.ts'
import { writingRead } from '../statement-rules.ts'
import { WriteQueue } from '../write-queue.ts'
import { BatchRefused, type BatchConnection, type BatchStep, type StepOutcome } from './batch.ts'
import { ColumnOrigins, SCHEMA_VERSION } from './column-origins.ts'
import { createHranaConnection } from './hrana-connection.ts'
import { refusalError } from './refusal.ts'
import { statementError, unavailable } from './remote-failure.ts'
import { StatementReader, toStatementResult, type RemoteStatement } from './remote-statement.ts'
import { RemoteWriter } from './remote-writer.ts'
import { RequestSlots } from './request-slots.ts'
import { inspectServer, type ServerFacts } from './server-identity.ts'
import { takeLease, type StoreLease } from './store-lease.ts'

const DEFAULT_MAX_GROUP_SIZE = 128
const DEFAULT_BUSY_TIMEOUT_MS = 5000
const DEFAULT_REQUEST_TIMEOUT_MS = 15_000
const DEFAULT_LEASE_MS = 15_000
const DEFAULT_MAX_REQUEST_BYTES = 15 * 1024 * 1024
const DEFAULT_MAX_CONCURRENT_READS = 32

/** How a store on a server is opened. */
export interface RemoteStoreOptions {
  /** `http://`, `https://`, `ws://`, `wss://`; `libsql://` is `https://`. */
  readonly url: string
  readonly token?: string | undefined
  readonly runtime: Runtime
  /** Marks the store of one application; a fresh one gets it. Default 0. */
  readonly applicationId?: number
  /** The newest format that is understood; a fresh store gets it. Default 0. */
  readonly format?: number
  /** Who this node is, for the node that finds the store taken. */
  readonly owner?: string
  /** Waiting writes, and waiting reads, beyond which new ones are refused with `OVERLOADED`. */
  readonly maxQueuedWrites?: number
  /** Transactions that share one commit, at most. Default 128. */
  readonly maxGroupSize?: number
  /** Reads under way at once. Default 32. */
  readonly maxConcurrentReads?: number
  /** What the server takes in one request, by estimate: `TRANSACTION_TOO_LARGE`. Default 15 MiB. */
  readonly maxRequestBytes?: number
  /** How long a write waits for another program's lock on the database. Default 5,000. */
  readonly busyTimeoutMs?: number
  /** How long an answer is waited for. Default 15,000. */
  readonly requestTimeoutMs?: number
  /** How long a node that says nothing keeps the store from others. Default 15,000. */
  readonly leaseMs?: number
}

/** A store on a server. */
export interface RemoteStore extends Store {
  readonly durability: ServerFacts['durability']
}

/**
 * Opens the store of a server, alone: a second node is refused while the first lives. After a crash
 * of that one, opening takes until its lease has run out.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`, `UNAUTHENTICATED`, `STORE_FOREIGN`,
 * `STORE_NEWER`, `STORE_LOCKED` naming the other node
 */
export async function openRemoteStore(options: RemoteStoreOptions): Promise<RemoteStore> {
  const { token, runtime } = options
  const url = shownUrl(options.url)
  const identity = { applicationId: options.applicationId ?? 0, format: options.format ?? 0 }
  const connection = createHranaConnection({
    url: options.url,
    token,
    timers: runtime.timers,
    requestTimeoutMs: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
  })
  try {
    const facts = await inspectServer(connection, url, identity)
    const lease = await takeLease({
      connection,
      url,
      timers: runtime.timers,
      owner: `${options.owner ?? 'a node'} (${newShortId(runtime.random)})`,
      leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
      ...identity,
    })
    return new OpenRemoteStore(options, { url, connection, lease, facts })
  } catch (error) {
    connection.close()
    throw error
  }
}

interface Parts {
  readonly url: string
  readonly connection: BatchConnection
  readonly lease: StoreLease
  readonly facts: ServerFacts
}

class OpenRemoteStore implements RemoteStore {
  readonly durability: ServerFacts['durability']
  readonly takesStatistics: boolean
  readonly #parts: Parts
  readonly #runtime: Runtime
  readonly #reader = new StatementReader()
  readonly #queue: WriteQueue
  readonly #writer: RemoteWriter
  readonly #slots: RequestSlots
  readonly #origins: ColumnOrigins
  readonly #listeners = new Set<() => void>()
  #cancelRenewal: CancelTimer
  #closing: Promise<void> | undefined

  constructor(options: RemoteStoreOptions, parts: Parts) {
    const maxQueued = options.maxQueuedWrites ?? MAX_QUEUED_WRITES
    this.durability = parts.facts.durability
    this.takesStatistics = parts.facts.takesStatistics
    this.#parts = parts
    this.#runtime = options.runtime
    this.#slots = new RequestSlots(
      parts.url,
      options.maxConcurrentReads ?? DEFAULT_MAX_CONCURRENT_READS,
      maxQueued,
    )
    this.#origins = new ColumnOrigins((steps) => this.#batch(steps))
    this.#writer = new RemoteWriter({
      ...parts,
      reader: this.#reader,
      runtime: options.runtime,
      busyTimeoutMs: options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS,
      maxRequestBytes: options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES,
    })
    this.#queue = new WriteQueue({
      path: parts.url,
      writer: this.#writer,
      timers: options.runtime.timers,
      maxQueuedWrites: maxQueued,
      maxGroupSize: options.maxGroupSize ?? DEFAULT_MAX_GROUP_SIZE,
      onCommit: () => {
        for (const listener of this.#listeners) listener()
      },
    })
    this.#cancelRenewal = this.#renewLater()
  }

  async write(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#checkOpen()
    return this.#queue.write(statements.map(bindStatement))
  }

  async read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#checkOpen()
    const remote = statements.map((statement) => this.#readOnly(statement))
    if (remote.length === 0) return []
    const outcomes = await this.#run(snapshotSteps(remote), remote)
    // A lone statement is its own snapshot and the only step.
    const own = remote.length === 1 ? outcomes : outcomes.slice(1, -1)
    return remote.map((statement, index) => this.#result(statement, own[index], index))
  }

  async query(statement: Statement): Promise<DescribedResult> {
    this.#checkOpen()
    const remote = this.#readOnly(statement)
    const [version, outcome] = await this.#run([SCHEMA_VERSION, toStep(remote)], [remote])
    const result = this.#result(remote, outcome, 0)
    const names = outcome?.ok === true ? outcome.columns : []
    const known = version?.ok === true ? version.rows[0]?.[0] : undefined
    const columns = await this.#origins.of(bindStatement(statement), known, names)
    return { ...result, columns }
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #readOnly(statement: Statement): RemoteStatement {
    const remote = this.#reader.read(bindStatement(statement))
    if (!remote.isReadOnly) throw writingRead()
    return remote
  }

  async #run(
    steps: readonly BatchStep[],
    statements: readonly RemoteStatement[],
  ): Promise<readonly StepOutcome[]> {
    try {
      return await this.#batch(steps)
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error
      const { connection, url } = this.#parts
      throw await refusalError(connection, statements, error.failure, url)
    }
  }

  #batch(steps: readonly BatchStep[]): Promise<readonly StepOutcome[]> {
    return this.#slots.run(() => this.#parts.connection.batch(steps, false))
  }

  #result(statement: RemoteStatement, outcome: StepOutcome, index: number): StatementResult {
    const { url } = this.#parts
    if (outcome === undefined) throw unavailable(url, 'did not run a statement', 'safe')
    if (!outcome.ok) throw statementError(outcome.failure, index, url)
    return toStatementResult(statement, outcome)
  }

  /** Through the queue: it waits for no lock that the store's own writes hold. */
  #renewLater(): CancelTimer {
    const { lease } = this.#parts
    return this.#runtime.timers.after(lease.renewalMs, () => {
      this.#queue.write([lease.renewal]).then(
        () => this.#renewAgain(),
        // Where the lease is lost the writes say so; else the next one may succeed.
        () => this.#renewAgain(),
      )
    })
  }

  #renewAgain(): void {
    if (this.#closing === undefined) this.#cancelRenewal = this.#renewLater()
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new MeridianError('CLOSED', `Store ${this.#parts.url} is closed.`)
  }

  async #close(): Promise<void> {
    this.#cancelRenewal()
    try {
      await this.#queue.idle()
      await this.#writer.close()
    } finally {
      this.#origins.close()
      this.#parts.connection.close()
    }
  }
}

/** Several statements read within one transaction. It is rolled back: nothing of a read lasts. */
function snapshotSteps(statements: readonly RemoteStatement[]): readonly BatchStep[] {
  if (statements.length === 1) return statements.map(toStep)
  return [
    { sql: 'BEGIN', args: [] },
    ...statements.map((statement, index): BatchStep => ({
      ...toStep(statement),
      when: { all: [{ ok: index }, { not: 'autocommit' }] },
    })),
    { sql: 'ROLLBACK', args: [], when: { not: 'autocommit' } },
  ]
}

function toStep({ sql, args }: RemoteStatement): BatchStep {
  return { sql, args }
}

/** Without what a URL might say of secrets. */
function shownUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined ? 'of an invalid URL' : `${url.protocol}//${url.host}${url.pathname}`
}
