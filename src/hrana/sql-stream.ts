/**
 * A stream: one database session whose calls come one after another, and which is closed exactly
 * once, whoever gives up on it and whenever. The pool counts them against the limits.
 */
import { MeridianError } from '../core/errors.ts'
import type { SqlBackend, SqlSession } from '../core/ports/sql-session.ts'
import type { Caller } from '../core/principal.ts'
import { HranaError, isUnexpected } from './errors.ts'
import type { HranaLimits } from './limits.ts'

/** A database session in a stream's care. */
export class SqlStream {
  /** Settles once the session is open. @throws what the backend threw */
  readonly opened: Promise<void>
  readonly #session: Promise<SqlSession>
  readonly #onClosed: (error: unknown) => void
  #tail: Promise<void> = Promise.resolve()
  #ended: HranaError | undefined
  #closed: Promise<void> | undefined

  /** @param onClosed called once, when the session is closed, with what that threw, if anything */
  constructor(session: Promise<SqlSession>, onClosed: (error: unknown) => void) {
    this.#session = session
    this.#onClosed = onClosed
    this.opened = session.then(() => undefined)
    // Whoever opened it looks at `opened`; nobody has to.
    this.opened.catch(() => undefined)
  }

  /**
   * Runs after all earlier calls.
   *
   * @throws HranaError `STREAM_NOT_OPEN`, or why the stream was ended; what `use` throws
   */
  call<T>(use: (session: SqlSession) => Promise<T>): Promise<T> {
    const result = this.#tail.then(async () => {
      if (this.#ended !== undefined) throw this.#ended
      const session = await this.#session.catch(() => {
        throw new HranaError('STREAM_NOT_OPEN', 'The stream failed to open.')
      })
      return use(session)
    })
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  /** Ends the stream after the call that is running; later ones fail with `why`. */
  close(why: HranaError = new HranaError('STREAM_CLOSED', 'The stream is closed.')): Promise<void> {
    this.#ended ??= why
    this.#closed ??= this.#closeAfter(this.#tail)
    return this.#closed
  }

  async #closeAfter(calls: Promise<void>): Promise<void> {
    await calls
    let failure: unknown
    try {
      const session = await this.#session.catch(() => undefined)
      await session?.close()
    } catch (error) {
      failure = error
    }
    this.#onClosed(failure)
  }
}

export interface StreamPoolOptions {
  readonly backend: SqlBackend
  readonly limits: HranaLimits
  /** Told of failures that no client is told of. */
  readonly onError: (error: unknown) => void
}

/** All streams of a service. */
export class StreamPool {
  readonly #options: StreamPoolOptions
  readonly #streams = new Set<SqlStream>()
  readonly #countByCaller = new Map<string, number>()
  #closed = false

  constructor(options: StreamPoolOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#streams.size
  }

  /**
   * Begins to open a session; the stream takes calls at once.
   *
   * @throws HranaError `TOO_MANY_STREAMS`; MeridianError `CLOSED`
   */
  open(caller: Caller): SqlStream {
    const { limits, backend, onError } = this.#options
    if (this.#closed) throw new MeridianError('CLOSED', 'The server is closing.')
    // By who asks alone: whoever may ask for much is not to have a share for each part of it.
    const key = JSON.stringify([caller.kind, caller.subject])
    const count = this.#countByCaller.get(key) ?? 0
    if (this.#streams.size >= limits.maxStreams || count >= limits.maxStreamsPerCaller) {
      throw new HranaError('TOO_MANY_STREAMS', 'Too many streams are open; try again later.')
    }
    this.#countByCaller.set(key, count + 1)
    const session = open(backend, caller)
    const stream: SqlStream = new SqlStream(session, (error) => {
      this.#streams.delete(stream)
      const left = (this.#countByCaller.get(key) ?? 1) - 1
      if (left === 0) this.#countByCaller.delete(key)
      else this.#countByCaller.set(key, left)
      if (error !== undefined && isUnexpected(error)) onError(error)
    })
    this.#streams.add(stream)
    return stream
  }

  /** Closes every session, each after its running call; no stream opens any more. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#streams].map((stream) => stream.close()))
  }
}

/** A backend that throws at once fails like one that rejects. */
async function open(backend: SqlBackend, caller: Caller): Promise<SqlSession> {
  return backend.open(caller)
}

/** Whom a stream belongs to: who asks, and for what. Equal exactly for the same rights. */
export function callerKey(caller: Caller): string {
  const { tenants, scopes, regions } = caller.principal
  return JSON.stringify([
    caller.kind,
    caller.subject,
    tenants === null ? null : tenants.toSorted(),
    scopes.toSorted(),
    regions?.toSorted() ?? null,
  ])
}
