/** The port of a node. */
import type { LimitsConfig } from '../config/config-schema.ts'
import { MeridianError } from '../core/errors.ts'
import type { HttpHandler } from '../core/ports/http.ts'
import type { Log } from '../core/ports/log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import { startHttpServer, type RunningHttpServer } from '../drivers/http/http-server.ts'
import type { NodeTls } from './node-identity.ts'
import type { NodePlan } from './node-plan.ts'

/** What is served where. */
export interface NodeServerOptions {
  readonly listen: NodePlan['listen']
  readonly handler: HttpHandler
  readonly tls: NodeTls | undefined
  readonly limits: LimitsConfig
  readonly runtime: Runtime
  readonly log: Log
}

/** @throws MeridianError `CONFIG_INVALID` when the address cannot be taken or the TLS is none */
export async function startNodeServer(options: NodeServerOptions): Promise<RunningHttpServer> {
  const { listen, handler, tls, limits, runtime, log } = options
  try {
    return await startHttpServer({
      ...listen,
      handler,
      // The certificate's chain is in its file; `ca` is for other nodes' certificates.
      ...(tls === undefined ? {} : { tls: { certificate: tls.certificate, key: tls.key } }),
      runtime,
      maxConnections: limits.maxConnections,
      onError: (error) => log.write('error', 'connection failed unexpectedly', { error }),
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code ?? (error as Error).message
    const address = `${listen.host}:${listen.port}`
    throw new MeridianError('CONFIG_INVALID', `The node cannot listen on ${address}: ${why}.`, {
      fix:
        code === 'EADDRINUSE'
          ? 'End the process that listens there, or configure another `listen`.'
          : 'Check `listen`, and the files in `tls`.',
      cause: error,
    })
  }
}
