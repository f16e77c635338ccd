/**
 * Batches over Hrana, the protocol of libSQL servers, by HTTP or WebSocket. A batch has a stream (a
 * database connection) to itself while it runs, and depends on no settings of one. By HTTP the
 * stream is opened and closed in the batch's own round trip. On a WebSocket, where each of the three
 * would be a message, streams are kept for later batches, except one in which anything failed: what
 * it may have open is rolled back as it is closed.
 *
 * Why `@libsql/hrana-client` and not `@libsql/client` above it: the latter's `batch` is one
 * transaction in which each statement waits for the success of the one before. Several
 * transactions that succeed or fail alone in one commit need conditions on steps, which it does not
 * pass on; it tells integers apart per client, not per statement; and it has no time-out.
 */
import * as hrana from '@libsql/hrana-client'
import { MeridianError } from '../../../core/errors.ts'
import type { Timers } from '../../../core/ports/runtime.ts'
import type { SqlRow, SqlValue } from '../../../core/values.ts'
import {
  BatchRefused,
  type BatchConnection,
  type BatchStep,
  type Condition,
  type RemoteFailure,
  type StepOutcome,
} from './batch.ts'
import { HttpStatusError, NotSentError, RequestTimeoutError, timedFetch } from './timed-fetch.ts'
import { isDenied, provesUndone, tooLarge, unauthenticated, unavailable } from './remote-failure.ts'

/** Conditions on open transactions came with it. */
const HRANA_VERSION = 3
/** Streams of a socket that are kept while no batch runs on them. */
const MAX_IDLE_STREAMS = 8

/** Where the server is. */
export interface HranaConnectionOptions {
  /** `http`, `https`, `ws`, `wss`; `libsql` is `https`. */
  readonly url: string
  readonly token?: string | undefined
  readonly timers: Timers
  /** Beyond which an answer counts as lost. */
  readonly requestTimeoutMs: number
}

/** Makes no request yet. @throws MeridianError `CONFIG_INVALID` */
export function createHranaConnection(options: HranaConnectionOptions): BatchConnection {
  return new HranaConnection(options)
}

class HranaConnection implements BatchConnection {
  readonly #options: HranaConnectionOptions
  readonly #url: URL
  readonly #isSocket: boolean
  #client: hrana.Client | undefined
  #connecting: Promise<hrana.Client> | undefined
  /** Of the present client, the one used last at the end: few serve where few suffice. */
  #idle: hrana.Stream[] = []
  #isClosed = false

  constructor(options: HranaConnectionOptions) {
    this.#options = options
    this.#url = serverUrl(options.url)
    this.#isSocket = this.#url.protocol.startsWith('ws')
  }

  batch(steps: readonly BatchStep[], writes: boolean): Promise<readonly StepOutcome[]> {
    return this.#request(writes, (stream) => runBatch(stream, steps), succeeded)
  }

  describe(statements: readonly string[]): Promise<readonly (RemoteFailure | undefined)[]> {
    const describeAll = (stream: hrana.Stream): Promise<readonly (RemoteFailure | undefined)[]> =>
      Promise.all(statements.map((sql) => failureOf(stream.describe(sql))))
    return this.#request(false, describeAll, () => true)
  }

  close(): void {
    this.#isClosed = true
    this.#client?.close()
  }

  /** @param isClean whether the answer proves that nothing is left open on the stream */
  async #request<T>(
    writes: boolean,
    run: (stream: hrana.Stream) => Promise<T>,
    isClean: (answer: T) => boolean,
  ): Promise<T> {
    const client = await this.#open()
    let stream: hrana.Stream
    let running: Promise<T>
    try {
      stream = this.#takeStream(client)
      running = run(stream)
      if (!this.#isSocket) stream.closeGracefully()
    } catch (error) {
      throw this.#failure(new NotSentError(error), writes)
    }
    try {
      const answer = await this.#timed(running, client)
      this.#giveBack(stream, client, isClean(answer))
      return answer
    } catch (error) {
      this.#giveBack(stream, client, false)
      throw this.#failure(error, writes)
    }
  }

  #takeStream(client: hrana.Client): hrana.Stream {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (!kept.closed) return kept
    }
    const stream = client.openStream()
    stream.intMode = 'bigint'
    return stream
  }

  #giveBack(stream: hrana.Stream, client: hrana.Client, isClean: boolean): void {
    if (stream.closed) return
    const isKept = isClean && client === this.#client && this.#idle.length < MAX_IDLE_STREAMS
    if (isKept) this.#idle.push(stream)
    else stream.close()
  }

  /** The client, connected; a lost one is replaced. Nothing was sent where this fails. */
  async #open(): Promise<hrana.Client> {
    const known = this.#client
    if (known !== undefined && !known.closed) return known
    const opening = this.#connecting ?? this.#connect()
    this.#connecting = opening
    try {
      const client = await opening
      if (this.#isClosed) client.close()
      if (client !== this.#client) this.#idle = []
      this.#client = client
      return client
    } catch (error) {
      throw this.#failure(new NotSentError(error), false)
    } finally {
      if (this.#connecting === opening) this.#connecting = undefined
    }
  }

  async #connect(): Promise<hrana.Client> {
    const { token, timers, requestTimeoutMs } = this.#options
    const client = this.#isSocket
      ? hrana.openWs(this.#url, token, HRANA_VERSION)
      : hrana.openHttp(
          this.#url,
          token,
          timedFetch(timers, requestTimeoutMs, token),
          undefined,
          HRANA_VERSION,
        )
    const version = await this.#timed(client.getVersion(), client)
    if (version >= HRANA_VERSION) return client
    client.close()
    throw new MeridianError(
      'STORE_UNAVAILABLE',
      `The server of store ${this.#options.url} speaks Hrana ${version}.`,
      { fix: 'Run a libSQL server that speaks Hrana 3.', retry: 'never' },
    )
  }

  /** A socket that does not answer in time is given up, with all that waits on it. */
  #timed<T>(work: Promise<T>, client: hrana.Client): Promise<T> {
    const { timers, requestTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const cancel = timers.after(requestTimeoutMs, () => {
        reject(new RequestTimeoutError())
        client.close()
      })
      work.then(resolve, reject).finally(cancel)
    })
  }

  #failure(error: unknown, writes: boolean): unknown {
    const { url } = this.#options
    if (error instanceof NotSentError) {
      const typed = this.#answered(error.cause)
      return typed ?? unavailable(url, 'cannot be reached', 'safe', error.cause)
    }
    const answered = this.#answered(error)
    if (answered !== undefined) return answered
    const what =
      error instanceof RequestTimeoutError
        ? 'did not answer in time'
        : 'was lost before it answered'
    return unavailable(url, what, writes ? 'unknown-outcome' : 'safe', error)
  }

  /** What the server said, where it said something that tells what it did. */
  #answered(error: unknown): unknown {
    const { url } = this.#options
    if (error instanceof MeridianError || error instanceof BatchRefused) return error
    if (error instanceof hrana.ClosedError) return this.#answered(error.cause)
    if (error instanceof NotSentError) return unavailable(url, 'cannot be reached', 'safe', error)
    if (error instanceof hrana.WebSocketError && /response: 40[13]\b/.test(error.message)) {
      return unauthenticated(url)
    }
    if (error instanceof HttpStatusError) return statusFailure(error, url)
    if (!(error instanceof hrana.ResponseError)) return undefined
    const failure = { code: error.code ?? '', message: error.message }
    if (isDenied(failure)) return unauthenticated(url)
    return provesUndone(failure) ? new BatchRefused(failure) : undefined
  }
}

/** A refusal before anything was run; other statuses tell nothing of it. */
function statusFailure({ status }: HttpStatusError, url: string): MeridianError | undefined {
  if (status === 401 || status === 403) return unauthenticated(url)
  if (status === 413) return tooLarge(url)
  if (status === 429 || status === 503) return unavailable(url, 'is overloaded', 'safe')
  if (status >= 500) return undefined
  return unavailable(url, `answered with HTTP status ${status}`, 'never')
}

function succeeded(outcomes: readonly StepOutcome[]): boolean {
  return outcomes.every((outcome) => outcome === undefined || outcome.ok)
}

async function runBatch(
  stream: hrana.Stream,
  steps: readonly BatchStep[],
): Promise<readonly StepOutcome[]> {
  const batch = stream.batch(false)
  const made: hrana.BatchStep[] = []
  const running = steps.map(({ sql, args, when }) => {
    const step = batch.step()
    if (when !== undefined) step.condition(toCondition(batch, made, when))
    const result = step.query([sql, [...args]])
    made.push(step)
    return result.then(toOutcome, toFailedOutcome)
  })
  await batch.execute()
  return Promise.all(running)
}

function toCondition(
  batch: hrana.Batch,
  made: readonly hrana.BatchStep[],
  condition: Condition,
): hrana.BatchCond {
  const { BatchCond } = hrana
  if (condition === 'autocommit') return BatchCond.isAutocommit(batch)
  if ('not' in condition) return BatchCond.not(toCondition(batch, made, condition.not))
  if ('all' in condition) {
    return BatchCond.and(
      batch,
      condition.all.map((one) => toCondition(batch, made, one)),
    )
  }
  return BatchCond.ok(made[condition.ok] as hrana.BatchStep)
}

function toOutcome(result: hrana.RowsResult | undefined): StepOutcome {
  if (result === undefined) return undefined
  return {
    ok: true,
    columns: result.columnNames.map((name) => name ?? ''),
    rows: result.rows.map(toRow),
    rowsAffected: result.affectedRowCount,
  }
}

function toFailedOutcome(error: unknown): StepOutcome {
  if (!(error instanceof hrana.ResponseError)) throw error
  return { ok: false, failure: { code: error.code ?? '', message: error.message } }
}

function toRow(row: hrana.Row): SqlRow {
  const values = new Array<SqlValue>(row.length)
  for (let i = 0; i < row.length; i++) {
    const value = row[i]
    values[i] = value instanceof ArrayBuffer ? new Uint8Array(value) : (value as SqlValue)
  }
  return values
}

async function failureOf(work: Promise<unknown>): Promise<RemoteFailure | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (!(error instanceof hrana.ResponseError)) throw error
    return { code: error.code ?? '', message: error.message }
  }
}

/** Relative paths of the protocol lie below the URL's own. */
function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^(https?|wss?|libsql):$/.test(url.protocol)) {
    throw new MeridianError('CONFIG_INVALID', 'The URL of a store is not one of a libSQL server.', {
      fix: 'Use http://, https://, ws://, wss:// or libsql://.',
    })
  }
  const web = new URL(url.href.replace(/^libsql:/, 'https:'))
  if (!web.pathname.endsWith('/')) web.pathname += '/'
  return web
}
