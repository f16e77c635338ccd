/** Opens the deployment that is measured. */
import type { Config } from '../../src/config/parse-config.ts'
import { holderClasses } from '../growth/holders.ts'
import type { BenchTarget, EnginesKind } from '../target/target.ts'
import { configFor } from '../topologies/index.ts'
import { schema, type BenchSchema } from '../workloads/schema.ts'
import { schemaModule } from './schema-module.ts'
import type { Topology } from '../../src/config/topology.ts'

/** What a target is opened with. */
export interface TargetOptions {
  readonly engines: EnginesKind
  readonly config: Config
  readonly directory: string
  readonly onNotice: (notice: string) => void
}

/** The configuration of a run: that of the topology, with the classes of tenants of `growth`. */
export function benchConfig(topology: Topology, leader: string): Config {
  const config = configFor(topology, leader)
  return { ...config, residency: { ...config.residency, ...holderClasses(topology, leader) } }
}

/** Each kind of deployment is loaded when it is opened. */
export async function openTarget(options: TargetOptions): Promise<BenchTarget<BenchSchema>> {
  const { engines, ...rest } = options
  if (engines === 'embedded') {
    const { openEmbeddedTarget } = await import('../target/open-embedded.ts')
    return openEmbeddedTarget({ schema, ...rest })
  }
  const { openRealTarget } = await import('../target/open-real.ts')
  return openRealTarget({ schema, schemaModule: schemaModule(), ...rest })
}
