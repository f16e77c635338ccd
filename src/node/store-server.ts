/**
 * A small read-write libSQL server over one file, for tests and local work where sqld is not at
 * hand: Hrana 2 and 3 over HTTP and WebSocket, with sqld's behaviour where clients can see it.
 */
import { asMeridianError, MeridianError, toWireError } from '../core/errors.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../core/ports/http.ts'
import type { Log } from '../core/ports/log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import { startHttpServer } from '../drivers/http/http-server.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import { openSqlFileBackend } from '../drivers/sql-server/sql-file-backend.ts'
import { createHranaService, type HranaService } from '../hrana/service.ts'
import { Closing } from './closing.ts'
import { isLoopbackHost } from '../config/addresses.ts'
import { localCallers, tokenCallers, type StoreCallers } from './store-callers.ts'

export interface StoreServerOptions {
  /** The database; made when it is absent. Left out: a temporary one, gone with the server. */
  readonly file?: string | undefined
  /** Default 127.0.0.1. Another than this machine's own needs a token. */
  readonly host?: string | undefined
  /** Default 0: any that is free. */
  readonly port?: number | undefined
  /** What clients must pass as `authToken`. */
  readonly token?: string | undefined
  /** The file grows no further: `SQLITE_FULL`. */
  readonly maxBytes?: number | undefined
  /** Sessions open at once; beyond, `OVERLOADED` after a second. Default 128. */
  readonly maxSessions?: number | undefined
  readonly log?: Log
  readonly runtime?: Runtime
}

/** A server that runs. */
export interface RunningStoreServer {
  /** `http://host:port`: what `createClient({ url })` takes; for WebSockets with `ws:`. */
  readonly url: string
  readonly port: number
  /** Rolls back what is open and closes everything. */
  close(): Promise<void>
}

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_MAX_SESSIONS = 128
const DRAIN_TIMEOUT_MS = 2_000
/** sqld took a body of 200 MB. */
const MAX_REQUEST_BYTES = 200_000_000
const MAX_BATCH_STEPS = 1_000_000
/** Streams that wait for a session are open, too. */
const MAX_STREAMS = 10_000

/**
 * Starts a server.
 *
 * @throws MeridianError `CONFIG_INVALID` (address), `STORE_LOCKED`, `STORE_UNAVAILABLE`,
 * `STORE_CORRUPT`
 */
export async function openStoreServer(
  options: StoreServerOptions = {},
): Promise<RunningStoreServer> {
  const { token, host = DEFAULT_HOST, port = 0, log, runtime = systemRuntime } = options
  requireToken(host, token)
  const onError = (error: unknown): void => log?.write('error', 'store server failed', { error })
  const closing = new Closing()
  try {
    const backend = closing.add(
      await openSqlFileBackend({
        path: options.file,
        runtime,
        maxBytes: options.maxBytes,
        maxSessions: options.maxSessions ?? DEFAULT_MAX_SESSIONS,
      }),
    )
    const service = closing.add(
      createHranaService({
        backend,
        runtime,
        limits: {
          maxRequestBytes: MAX_REQUEST_BYTES,
          maxBatchSteps: MAX_BATCH_STEPS,
          maxStreams: MAX_STREAMS,
          maxStreamsPerCaller: MAX_STREAMS,
        },
        onError,
      }),
    )
    const callers = token === undefined ? localCallers() : tokenCallers(token)
    const handler = createStoreHandler(service, callers)
    const server = await startHttpServer({ host, port, handler, runtime, onError }).catch(
      (error: unknown) => {
        throw addressError(host, port, error)
      },
    )
    closing.add({ close: () => server.close({ drainTimeoutMs: DRAIN_TIMEOUT_MS }) })
    log?.write('info', 'store server listens', { url: server.url })
    return { url: server.url, port: server.port, close: () => closing.close() }
  } catch (error) {
    await closing.close()
    throw error
  }
}

/** Without a token, whoever reaches the server may do everything. */
function requireToken(host: string, token: string | undefined): void {
  if (token !== undefined || isLoopbackHost(host)) return
  throw new MeridianError('CONFIG_INVALID', `The store server would serve ${host} to anybody.`, {
    fix: 'Set a token, or listen on 127.0.0.1.',
  })
}

function addressError(host: string, port: number, error: unknown): MeridianError {
  const { code, message } = error as NodeJS.ErrnoException
  return new MeridianError(
    'CONFIG_INVALID',
    `The store server cannot listen on ${host}:${port}: ${code ?? message}.`,
    { fix: 'End the process that listens there, or take another port.', cause: error },
  )
}

function createStoreHandler(service: HranaService, callers: StoreCallers): HttpHandler {
  return {
    async request(request) {
      if (request.path === '/health') return { status: 200 }
      try {
        callers.admit(request)
        return await service.request(request, request.path, callers.of(request))
      } catch (error) {
        return refusal(error)
      }
    },
    async upgrade(request: HttpRequest, protocols) {
      try {
        callers.admit(request)
      } catch (error) {
        return { kind: 'refuse', response: refusal(error) }
      }
      return service.upgrade(protocols, async (token) => callers.ofToken(token))
    },
  }
}

/** In Hrana's form of errors. */
function refusal(thrown: unknown): HttpResponse {
  const { code, message, fix } = toWireError(asMeridianError(thrown))
  return {
    status: code === 'UNAUTHENTICATED' ? 401 : code === 'PERMISSION_DENIED' ? 403 : 500,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, message: fix === undefined ? message : `${message} ${fix}` }),
  }
}
