/**
 * The server side of libSQL's Hrana 2 and 3, over HTTP and WebSocket, for any `SqlBackend`. Whoever
 * mounts it authenticates HTTP requests and says how the tokens of sockets are verified.
 */
import type { HttpRequest, HttpResponse, UpgradeDecision } from '../core/ports/http.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { SqlBackend } from '../core/ports/sql-session.ts'
import type { Caller } from '../core/principal.ts'
import type { ExecuteContext } from './execute.ts'
import { HttpFace } from './http/http-face.ts'
import { jsonCodec } from './json/codec.ts'
import { protobufCodec } from './protobuf/codec.ts'
import { DEFAULT_HRANA_LIMITS, type HranaLimits } from './limits.ts'
import { Connection, type Authenticate, type Subprotocol } from './socket/connection.ts'
import { StreamPool } from './sql-stream.ts'

export interface HranaServiceOptions {
  readonly backend: SqlBackend
  readonly runtime: Runtime
  readonly limits?: Partial<HranaLimits>
  /** Told of failures whose text no client may see: those of neither SQL, protocol nor Meridian. Must not throw. */
  readonly onError?: (error: unknown) => void
}

export interface HranaService {
  /**
   * Answers a request; never rejects. Errors come as `{ message, code }` with a status.
   *
   * @param path what follows the prefix under which the service is mounted: `/v2/pipeline`
   */
  request(request: HttpRequest, path: string, caller: Caller): Promise<HttpResponse>
  /**
   * Decides on a WebSocket by the subprotocols that the client offers.
   *
   * @param authenticate verifies the token of each hello; what it throws is what the client is told
   */
  upgrade(protocols: readonly string[], authenticate: Authenticate): UpgradeDecision
  /** How many streams are open, each a session of the backend. */
  streams(): number
  /** Closes all sockets and, after their running calls, all sessions. */
  close(): Promise<void>
}

/** By name, the best first: the order in which the server chooses. */
const SUBPROTOCOLS: ReadonlyMap<string, Subprotocol> = new Map([
  ['hrana3-protobuf', { codec: protobufCodec, version: 3, frames: 'binary' }],
  ['hrana3', { codec: jsonCodec, version: 3, frames: 'text' }],
  ['hrana2', { codec: jsonCodec, version: 2, frames: 'text' }],
])

/** Serves a backend by Hrana. */
export function createHranaService(options: HranaServiceOptions): HranaService {
  const { backend, runtime, onError = () => undefined } = options
  const limits: HranaLimits = { ...DEFAULT_HRANA_LIMITS, ...options.limits }
  const context: ExecuteContext = { runtime, limits, onError }
  const pool = new StreamPool({ backend, limits, onError })
  const http = new HttpFace({ pool, context })
  const connections = new Set<Connection>()

  return {
    request: (request, path, caller) => http.request(request, path, caller),
    upgrade(protocols, authenticate) {
      const chosen = [...SUBPROTOCOLS].find(([name]) => protocols.includes(name))
      if (chosen === undefined) return refusal()
      const [protocol, subprotocol] = chosen
      return {
        kind: 'open',
        protocol,
        maxMessageBytes: limits.maxRequestBytes,
        open(socket) {
          const connection: Connection = new Connection({
            socket,
            subprotocol,
            authenticate,
            pool,
            context,
            onClosed: () => connections.delete(connection),
          })
          connections.add(connection)
        },
      }
    },
    streams: () => pool.size,
    async close() {
      http.close()
      await Promise.all([...connections].map((connection) => connection.close()))
      await pool.close()
    },
  }
}

function refusal(): UpgradeDecision {
  const names = [...SUBPROTOCOLS.keys()].join(', ')
  const message = `None of the offered subprotocols is served; those that are: ${names}.`
  return {
    kind: 'refuse',
    response: {
      status: 400,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message, code: 'VERSION_TOO_OLD' }),
    },
  }
}
