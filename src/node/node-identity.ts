/** Who a node is and whom it believes: tokens, its private key, TLS. Read once, at the start. */
import type { Config } from '../config/parse-config.ts'
import type { Clock } from '../core/ports/runtime.ts'
import { createTokenVerifier } from '../drivers/auth/token-verifier.ts'
import { authenticatedCallers, loopbackCallers, type NodeCallers } from './node-callers.ts'
import type { NodePlan } from './node-plan.ts'
import { readNamedFile, readSecret, type SecretSources } from './secrets.ts'

/** PEM texts. */
export interface NodeTls {
  readonly certificate: string
  readonly key: string
  readonly ca?: string
}

/** What the configuration's references lead to. */
export interface NodeIdentity {
  readonly callers: NodeCallers
  /** Signs as this node; `undefined` where callers are not told apart. */
  readonly privateKey: string | undefined
  readonly tls: NodeTls | undefined
}

/** What it is read from. */
export interface IdentityOptions {
  readonly config: Config
  readonly plan: NodePlan
  readonly clock: Clock
  readonly sources: SecretSources
}

/** @throws MeridianError `CONFIG_INVALID` */
export async function openIdentity(options: IdentityOptions): Promise<NodeIdentity> {
  const { config, sources } = options
  return {
    callers: await openCallers(options),
    privateKey:
      config.auth?.nodeKey === undefined
        ? undefined
        : await readSecret(config.auth.nodeKey, 'auth.nodeKey', sources),
    tls: await openTls(config, sources),
  }
}

async function openCallers({
  config,
  plan,
  clock,
  sources,
}: IdentityOptions): Promise<NodeCallers> {
  const { auth, nodes } = config
  if (auth === null) return loopbackCallers()
  const readText = (path: string): Promise<string> => readNamedFile('auth', path, sources)
  const verifier = await createTokenVerifier({
    auth,
    nodes,
    regions: plan.regions,
    readText,
    clock,
  })
  return authenticatedCallers(verifier)
}

async function openTls(config: Config, sources: SecretSources): Promise<NodeTls | undefined> {
  const { tls } = config
  if (tls === null) return undefined
  const certificate = await readNamedFile('tls.certificate', tls.certificate, sources)
  const key = await readSecret(tls.key, 'tls.key', sources)
  if (tls.ca === undefined) return { certificate, key }
  return { certificate, key, ca: await readNamedFile('tls.ca', tls.ca, sources) }
}
