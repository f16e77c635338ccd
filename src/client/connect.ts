/** `connect`: the one way to a database, and the place that chooses how it is reached. */
import { logSource } from '../core/change.ts'
import type { KeyWrapper } from '../core/ports/key-wrapper.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Transport } from '../core/ports/transport.ts'
import type { AeadSuite } from '../core/ports/aead-suite.ts'
import type { Principal } from '../core/principal.ts'
import { compileSchema } from '../schema/compile.ts'
import type { Schema } from '../schema/define.ts'
import type { SchemaLock } from '../schema/lock.ts'
import { Session } from '../session/session.ts'
import { Connection, isTransient } from './connection.ts'
import { ClientContext } from './context.ts'
import { createDatabase } from './database.ts'
import type { HedgeOptions } from './hedge.ts'
import { Router } from './router.ts'
import { Sealing } from './sealing.ts'
import { createSession } from './sessions.ts'
import type { Tracer } from './tracing.ts'
import type { Database } from './types.ts'

/** What a deployment offers to clients: how to reach its nodes, and what they need besides. */
export interface Deployment {
  /** The way to the nodes, for a caller that stands in `region`. @throws `REGION_UNKNOWN` */
  transport(region: string): Transport
  readonly runtime: Runtime
  /** The deployment's schema lock: clients and nodes must number tables alike. */
  readonly lock: SchemaLock | undefined
  /** Signs session tokens; without it sessions cannot be exported. */
  readonly sessionKey: Uint8Array | undefined
  /** Unwraps data keys; without it encrypted columns cannot be used. */
  keyWrapper(region: string): KeyWrapper | undefined
  readonly cipherSuite: AeadSuite
  /** Deadline of calls that name none, in milliseconds. */
  readonly deadlineMs: number
  /** Sends a read a second time when its answer takes long; off when left out. */
  readonly hedge?: HedgeOptions | undefined
  /** Makes an OpenTelemetry span of each call, which the nodes' spans hang from. */
  readonly tracer?: Tracer | undefined
}

/** Options of `connect`. */
export interface ConnectOptions<S extends Schema> {
  readonly schema: S
  /** Where the service stands: reads go to this region's node. */
  readonly region: string
  readonly deployment: Deployment
  /** Who calls, where the deployment asks for it. */
  readonly principal?: Principal
}

const BASIS_MAX_AGE_MS = 60_000

/**
 * Connects a service to a deployment.
 *
 * @throws MeridianError `REGION_UNKNOWN`, `REGION_UNREACHABLE`, `SCHEMA_INVALID`,
 * `SCHEMA_INCOMPATIBLE`, `PROTOCOL_VERSION`
 */
export async function connect<S extends Schema>(options: ConnectOptions<S>): Promise<Database<S>> {
  const { deployment, region } = options
  const { compiled } = compileSchema(options.schema, deployment.lock)
  const { runtime, sessionKey } = deployment
  const connection = new Connection({
    region,
    runtime,
    transport: deployment.transport(region),
    schemaVersion: compiled.version,
    principal: options.principal ?? null,
    deadlineMs: deployment.deadlineMs,
    hedge: deployment.hedge,
    tracer: deployment.tracer,
  })
  const basis = logBasis(connection, compiled.fingerprint)
  await basis.refresh()
  const router = new Router(connection)
  const own = new Session()
  const context = new ClientContext({
    schema: compiled,
    connection,
    router,
    session: createSession(own, sessionKey),
    strongBasis: basis.current,
  })
  const sealing = new Sealing({ context, deployment, region })
  const close = async (): Promise<void> => connection.close()
  return createDatabase({ context, sealing, sessionKey, close }) as Database<S>
}

/**
 * The basis of strong transactions: the index of the log that the client knew at its first send.
 * A client that was idle asks its node again, so that an old basis does not age its first write
 * out of the window of outcomes.
 */
function logBasis(
  connection: Connection,
  schemaFingerprint: string,
): {
  refresh(): Promise<void>
  readonly current: (session: Session, group: string) => Promise<number>
} {
  const { clock } = connection.runtime
  const indexes = new Map<string, number>()
  let knownAtMs = 0
  const refresh = async (): Promise<void> => {
    const call = connection.begin('connect', new Session(), undefined)
    const { value } = await connection.bound(call, () =>
      connection.retry(call, isTransient, () =>
        connection.send(connection.region, { kind: 'hello', schemaFingerprint }, call),
      ),
    )
    for (const [source, index] of Object.entries(value.positions)) {
      indexes.set(source, Math.max(index, indexes.get(source) ?? 0))
    }
    knownAtMs = clock.monotonicMs()
  }
  const current = async (session: Session, group: string): Promise<number> => {
    if (clock.monotonicMs() - knownAtMs > BASIS_MAX_AGE_MS) await refresh()
    const source = logSource(group)
    return Math.max(indexes.get(source) ?? 0, session.state().positions[source] ?? 0)
  }
  return { refresh, current }
}
