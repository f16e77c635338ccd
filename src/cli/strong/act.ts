/** Has one of a deployment's nodes do something: the first that can. */
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import { STRONG_PATH } from '../../core/wire-http.ts'
import type { StrongAction } from '../../node/strong-actions.ts'
import type { GivenOptions } from '../command.ts'
import { postJson } from '../status/fetch-report.ts'
import { nodesOfConfig, tokenOf } from '../status/nodes-to-ask.ts'
import type { Deployment } from './ask-deployment.ts'

/**
 * `region`: asks the nodes of this one alone; without it, any.
 *
 * @throws MeridianError `CONFIG_INVALID`, `REGION_UNREACHABLE`, what the node says
 */
export async function act<T extends object>(
  { config, file }: Deployment,
  given: GivenOptions,
  action: StrongAction,
  body: object,
  region?: string,
): Promise<T> {
  const { nodes, ca } = await nodesOfConfig(config, file)
  const options = { token: tokenOf(given), ca }
  let last: unknown = new MeridianError('REGION_UNREACHABLE', `No node serves ${region}.`)
  for (const node of nodes) {
    if (region !== undefined && !node.regions.includes(region)) continue
    try {
      return await postJson<T>(node.url, `${STRONG_PATH}/${action}`, body, options)
    } catch (error) {
      // Nothing was done there: it is away, or another node holds its regions.
      if (!isErrorCode(error, 'REGION_UNREACHABLE', 'REGION_UNKNOWN')) throw error
      last = error
    }
  }
  throw last
}

/** @throws MeridianError `REGION_UNKNOWN` */
export function requireRegion({ config, file }: Deployment, region: string): void {
  if (config.regions.includes(region)) return
  throw new MeridianError('REGION_UNKNOWN', `There is no region ${region} in ${file}.`, {
    fix: `There are: ${config.regions.join(', ')}.`,
  })
}
