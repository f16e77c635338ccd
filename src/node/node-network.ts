/** How a node reaches other nodes: their URLs, and the tokens that prove which node calls. */
import type { Config } from '../config/parse-config.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import { createNodeTokens, type NodeTokens } from '../drivers/auth/node-tokens.ts'
import { createHttpNetwork, type HttpNetwork } from '../drivers/transport/http-network.ts'
import type { NodePlan } from './node-plan.ts'

/** What the network is made of. */
export interface NodeNetworkOptions {
  readonly config: Config
  readonly plan: NodePlan
  /** Signs as this node; `undefined` where callers are not told apart. */
  readonly privateKey: string | undefined
  /** PEM of the authority of the other nodes' certificates. */
  readonly ca: string | undefined
  readonly runtime: Runtime
}

/** @throws MeridianError `CONFIG_INVALID` for a key that is none */
export function createNodeNetwork(options: NodeNetworkOptions): HttpNetwork {
  const { config, plan, privateKey, ca, runtime } = options
  const { clock } = runtime
  const tokens = new Map<string, NodeTokens>()
  if (privateKey !== undefined) {
    for (const region of plan.regions) {
      tokens.set(region, createNodeTokens({ privateKey, region, clock }))
    }
  }
  return createHttpNetwork({
    nodes: config.nodes,
    own: plan.url,
    local: plan.regions,
    authorization: async (to, from) => tokens.get(from)?.authorization(to),
    ...(ca === undefined ? {} : { ca }),
    runtime,
  })
}
