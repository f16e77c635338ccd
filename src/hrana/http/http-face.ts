/** Hrana over HTTP: paths, pipelines and cursors. Every failure is answered, none is thrown. */
import type { HttpRequest, HttpResponse } from '../../core/ports/http.ts'
import type { Caller } from '../../core/principal.ts'
import { Cursor } from '../cursor.ts'
import { HranaError, isUnexpected, statusOf, toWireError } from '../errors.ts'
import { ResponseBudget, resolveRequest, runRequest, type ExecuteContext } from '../execute.ts'
import { jsonCodec } from '../json/codec.ts'
import type {
  HranaCodec,
  HranaVersion,
  StreamRequest,
  StreamResponse,
  StreamResult,
} from '../model.ts'
import { protobufCodec } from '../protobuf/codec.ts'
import { callerKey, type StreamPool } from '../sql-stream.ts'
import { StoredSql } from '../stored-sql.ts'
import { Turns } from '../turns.ts'
import { checkVersion } from '../version.ts'
import { Batons, type HttpStream } from './batons.ts'

/** A cursor's pieces: enough to keep a connection busy, little to hold. */
const CURSOR_PIECE_ENTRIES = 1_000
const CURSOR_PIECE_BYTES = 64_000

interface Endpoint {
  readonly codec: HranaCodec
  readonly version: HranaVersion
}

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/v2', { codec: jsonCodec, version: 2 }],
  ['/v3', { codec: jsonCodec, version: 3 }],
  ['/v3-protobuf', { codec: protobufCodec, version: 3 }],
])

export interface HttpFaceOptions {
  readonly pool: StreamPool
  readonly context: ExecuteContext
}

export class HttpFace {
  readonly #options: HttpFaceOptions
  readonly #batons: Batons

  constructor(options: HttpFaceOptions) {
    this.#options = options
    const { runtime, limits } = options.context
    this.#batons = new Batons({ runtime, idleMs: limits.streamIdleMs })
  }

  async request(request: HttpRequest, path: string, caller: Caller): Promise<HttpResponse> {
    try {
      return await this.#route(request, path, caller)
    } catch (error) {
      if (isUnexpected(error)) this.#options.context.onError(error)
      return errorResponse(error)
    }
  }

  close(): void {
    this.#batons.clear()
  }

  async #route(request: HttpRequest, path: string, caller: Caller): Promise<HttpResponse> {
    const [, root = '', action = ''] = /^(\/v[^/]*)(?:\/(pipeline|cursor))?$/.exec(path) ?? []
    const endpoint = ENDPOINTS.get(root)
    if (endpoint === undefined || (action === 'cursor' && endpoint.version < 3)) {
      throw new HranaError('NOT_FOUND', 'There is no such path in Hrana 2 or 3.')
    }
    const method = action === '' ? 'GET' : 'POST'
    if (request.method !== method && !(method === 'GET' && request.method === 'HEAD')) {
      const problem = `The method of this path is ${method}.`
      return errorResponse(new HranaError('METHOD_NOT_ALLOWED', problem), { allow: method })
    }
    if (action === '') {
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'Hrana over HTTP' }
    }
    const body = await request.body(this.#options.context.limits.maxRequestBytes)
    return action === 'pipeline'
      ? this.#pipeline(request, endpoint, body, caller)
      : this.#cursor(request, endpoint, body, caller)
  }

  async #pipeline(
    request: HttpRequest,
    endpoint: Endpoint,
    body: Uint8Array,
    caller: Caller,
  ): Promise<HttpResponse> {
    const { limits } = this.#options.context
    const { baton, requests } = endpoint.codec.decodePipeline(body)
    if (requests.length > limits.maxPipelineRequests) {
      throw new HranaError(
        'PIPELINE_TOO_LARGE',
        `A pipeline may have ${limits.maxPipelineRequests} requests; this one has ${requests.length}.`,
      )
    }
    const http = await this.#acquire(baton, caller)
    return closingOnFailure(http, async () => {
      const pipeline = new Pipeline(http, endpoint.version, this.#options.context)
      const results: StreamResult[] = []
      const turns = new Turns(this.#options.context.runtime)
      for (const one of requests) {
        await turns.next()
        if (request.signal.aborted) break
        results.push(await pipeline.run(one))
      }
      // Whoever hung up never learns the next baton: what the stream did is rolled back at once.
      const open = !pipeline.closed && !request.signal.aborted
      if (!open) await http.stream.close()
      const next = open ? this.#batons.issue(http) : null
      return {
        status: 200,
        headers: { 'content-type': endpoint.codec.contentType },
        body: endpoint.codec.encodePipeline({ baton: next, results }),
      }
    })
  }

  async #cursor(
    request: HttpRequest,
    endpoint: Endpoint,
    body: Uint8Array,
    caller: Caller,
  ): Promise<HttpResponse> {
    const { baton, batch } = endpoint.codec.decodeCursor(body)
    const http = await this.#acquire(baton, caller)
    return closingOnFailure(http, () => {
      const cursor = new Cursor(http.stream, http.sqls.batch(batch), this.#options.context)
      return {
        status: 200,
        headers: { 'content-type': endpoint.codec.cursorContentType },
        body: this.#cursorBody(http, cursor, endpoint.codec, request.signal),
      }
    })
  }

  async #acquire(baton: string | undefined, caller: Caller): Promise<HttpStream> {
    const owner = callerKey(caller)
    if (baton !== undefined) {
      const http = this.#batons.redeem(baton, owner)
      http.endCursor?.()
      return http
    }
    const stream = this.#options.pool.open(caller)
    try {
      await stream.opened
    } catch (error) {
      await stream.close()
      throw error
    }
    const sqls = new StoredSql(this.#options.context.limits)
    return { stream, sqls, owner, endCursor: undefined }
  }

  /**
   * The client knows the next baton from the first line, so a cursor that it stops reading leaves
   * the stream to that baton, and to its time.
   */
  #cursorBody(
    http: HttpStream,
    cursor: Cursor,
    codec: HranaCodec,
    signal: AbortSignal,
  ): AsyncIterable<string | Uint8Array> {
    const baton = this.#batons.issue(http)
    let ended = false
    http.endCursor = () => {
      ended = true
    }
    const batons = this.#batons
    return (async function* () {
      yield codec.encodeCursorHead(baton)
      while (!ended && !signal.aborted) {
        const piece = await nextPiece(cursor)
        batons.touch(baton)
        if (piece.entries.length > 0) yield codec.encodeCursorEntries(piece.entries)
        if (piece.done) break
      }
    })()
  }
}

/** An HTTP error means that the stream is gone. */
async function closingOnFailure(
  http: HttpStream,
  answer: () => HttpResponse | Promise<HttpResponse>,
): Promise<HttpResponse> {
  try {
    return await answer()
  } catch (error) {
    await http.stream.close()
    throw error
  }
}

/** A stream that ends while its cursor is read ends the cursor with an entry that says so. */
async function nextPiece(cursor: Cursor): ReturnType<Cursor['next']> {
  try {
    return await cursor.next(CURSOR_PIECE_ENTRIES, CURSOR_PIECE_BYTES)
  } catch (error) {
    return { entries: [{ type: 'error', error: toWireError(error) }], done: true }
  }
}

/** The requests of one pipeline: all are answered, whatever becomes of those before. */
class Pipeline {
  readonly #http: HttpStream
  readonly #version: HranaVersion
  readonly #context: ExecuteContext
  readonly #budget: ResponseBudget
  closed = false

  constructor(http: HttpStream, version: HranaVersion, context: ExecuteContext) {
    this.#http = http
    this.#version = version
    this.#context = context
    this.#budget = new ResponseBudget(context.limits.maxResponseBytes)
  }

  async run(request: StreamRequest): Promise<StreamResult> {
    try {
      return { type: 'ok', response: await this.#answer(request) }
    } catch (error) {
      if (isUnexpected(error)) this.#context.onError(error)
      return { type: 'error', error: toWireError(error) }
    }
  }

  async #answer(request: StreamRequest): Promise<StreamResponse> {
    const { stream, sqls } = this.#http
    switch (request.type) {
      case 'close':
        this.closed = true
        await stream.close()
        return { type: 'close' }
      case 'store_sql':
      case 'close_sql':
        sqls.apply(request)
        return { type: request.type }
      case 'execute':
      case 'batch':
      case 'sequence':
      case 'describe':
      case 'get_autocommit':
        checkVersion(request, this.#version)
        return runRequest(stream, resolveRequest(request, sqls), this.#budget, this.#context)
    }
  }
}

/** As JSON for every encoding: the content type says so, and clients read the code from it. */
function errorResponse(
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const status = statusOf(error)
  return {
    status,
    headers: {
      'content-type': 'application/json',
      ...headers,
      ...(status === 429 || status === 503 ? { 'retry-after': '1' } : {}),
    },
    body: JSON.stringify(toWireError(error)),
  }
}
