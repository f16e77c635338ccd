/** The embedded deployment as a target: all regions in this process, messages delayed between them. */
import type { Schema } from '../../src/client/index.ts'
import { openEmbeddedRegions } from '../../src/cluster/regions/embedded-regions.ts'
import { targetOf, type OpenTargetOptions } from './regions-target.ts'
import type { BenchTarget } from './target.ts'

/** No process loads the schema by itself. */
const NO_MODULE = ''

/** Opens it. @throws MeridianError as `openEmbedded` does */
export async function openEmbeddedTarget<S extends Schema>(
  options: OpenTargetOptions<S>,
): Promise<BenchTarget<S>> {
  const { config, directory } = options
  const running = await openEmbeddedRegions({ ...options, schemaModule: NO_MODULE, scale: 1 })
  const { leader } = config.commitLog
  return targetOf({ engines: 'embedded', running, config, leader, directory })
}
