/**
 * What one authenticated socket has open: streams, cursors and SQL texts by the ids that the client
 * chose. Ids are looked up when a request comes, its work runs in its stream's order.
 */
import type { Caller } from '../../core/principal.ts'
import { HranaError } from '../errors.ts'
import { ResponseBudget, resolveRequest, runRequest, type ExecuteContext } from '../execute.ts'
import type { HranaVersion, SessionRequest, SocketRequest, SocketResponse } from '../model.ts'
import type { StreamPool } from '../sql-stream.ts'
import { StoredSql } from '../stored-sql.ts'
import { checkVersion, tooOld } from '../version.ts'
import { SocketStream } from './socket-stream.ts'

export interface SocketSessionOptions {
  readonly pool: StreamPool
  readonly context: ExecuteContext
  readonly version: HranaVersion
  readonly caller: Caller
  /** Resolves when answers may be produced: the client has read enough of the earlier ones. */
  readonly room: () => Promise<void>
}

type Of<Type extends SocketRequest['type']> = Extract<SocketRequest, { readonly type: Type }>

export class SocketSession {
  readonly #options: SocketSessionOptions
  readonly #sqls: StoredSql
  readonly #streams = new Map<number, SocketStream>()
  readonly #cursors = new Map<number, SocketStream>()

  constructor(options: SocketSessionOptions) {
    this.#options = options
    this.#sqls = new StoredSql(options.context.limits)
  }

  /** What is refused at once throws at once. @throws HranaError, SqlError, MeridianError */
  async handle(request: SocketRequest): Promise<SocketResponse> {
    switch (request.type) {
      case 'open_stream':
        return this.#openStream(request.streamId)
      case 'close_stream':
        return this.#closeStream(request.streamId)
      case 'open_cursor':
        return this.#openCursor(request)
      case 'fetch_cursor':
        return this.#fetchCursor(request)
      case 'close_cursor':
        return this.#closeCursor(request)
      case 'store_sql':
      case 'close_sql':
        this.#sqls.apply(request)
        return { type: request.type }
      case 'execute':
      case 'batch':
      case 'sequence':
      case 'describe':
      case 'get_autocommit':
        return this.#run(request.streamId, request)
    }
  }

  /** Ends all streams, each after its running call. */
  async close(): Promise<void> {
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    this.#cursors.clear()
    await Promise.all(streams.map(({ stream }) => stream.close()))
  }

  async #openStream(id: number): Promise<SocketResponse> {
    const { pool, caller, context } = this.#options
    if (this.#streams.has(id)) {
      throw new HranaError('STREAM_EXISTS', `A stream with the id ${id} is open already.`)
    }
    if (this.#streams.size >= context.limits.maxStreamsPerSocket) {
      throw new HranaError(
        'TOO_MANY_STREAMS',
        `A socket may have ${context.limits.maxStreamsPerSocket} streams open.`,
      )
    }
    const opened = new SocketStream(id, pool.open(caller))
    // The id is taken even if opening fails, until the client closes it.
    this.#streams.set(id, opened)
    await opened.inOrder(() => opened.stream.opened)
    return { type: 'open_stream' }
  }

  async #closeStream(id: number): Promise<SocketResponse> {
    const closing = this.#stream(id)
    this.#streams.delete(id)
    if (closing.cursorId !== undefined) this.#cursors.delete(closing.cursorId)
    await closing.inOrder(() => closing.stream.close())
    return { type: 'close_stream' }
  }

  async #run(id: number, request: SessionRequest): Promise<SocketResponse> {
    const { context, version, room } = this.#options
    checkVersion(request, version)
    const target = this.#freeStream(id)
    const resolved = resolveRequest(request, this.#sqls)
    return target.inOrder(async () => {
      await room()
      const budget = new ResponseBudget(context.limits.maxResponseBytes)
      return runRequest(target.stream, resolved, budget, context)
    })
  }

  async #openCursor(request: Of<'open_cursor'>): Promise<SocketResponse> {
    const { context, version } = this.#options
    if (version < 3) throw tooOld('`open_cursor`')
    const target = this.#freeStream(request.streamId)
    const { cursorId } = request
    if (this.#cursors.has(cursorId)) {
      throw new HranaError('CURSOR_EXISTS', `A cursor with the id ${cursorId} is open already.`)
    }
    // The id is taken even if opening fails, until the client closes it.
    this.#cursors.set(cursorId, target)
    target.cursorId = cursorId
    const batch = this.#sqls.batch(request.batch)
    await target.inOrder(() => target.openCursor(batch, context))
    return { type: 'open_cursor' }
  }

  async #fetchCursor({ cursorId, maxCount }: Of<'fetch_cursor'>): Promise<SocketResponse> {
    const { context, room } = this.#options
    const target = this.#cursorStream(cursorId)
    return target.inOrder(async () => {
      await room()
      const maxBytes = context.limits.maxResponseBytes / 8
      const { entries, done } = await target.fetch(maxCount, maxBytes)
      return { type: 'fetch_cursor', entries, done }
    })
  }

  async #closeCursor({ cursorId }: Of<'close_cursor'>): Promise<SocketResponse> {
    const target = this.#cursorStream(cursorId)
    this.#cursors.delete(cursorId)
    target.cursorId = undefined
    await target.inOrder(async () => target.closeCursor())
    return { type: 'close_cursor' }
  }

  #stream(id: number): SocketStream {
    const found = this.#streams.get(id)
    if (found === undefined) {
      throw new HranaError('STREAM_NOT_FOUND', `There is no stream with the id ${id}.`)
    }
    return found
  }

  /** A stream whose requests do not come in between a cursor's. */
  #freeStream(id: number): SocketStream {
    const found = this.#stream(id)
    if (found.cursorId === undefined) return found
    throw new HranaError('CURSOR_OPEN', 'Nothing runs on a stream while its cursor is open.')
  }

  #cursorStream(cursorId: number): SocketStream {
    const found = this.#cursors.get(cursorId)
    if (found === undefined) {
      throw new HranaError('CURSOR_NOT_FOUND', `There is no cursor with the id ${cursorId}.`)
    }
    return found
  }
}
