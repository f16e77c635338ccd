/**
 * One of each engine for tests and manual use: the one that the environment names; else started as a
 * native process, after installing what is missing where that is allowed; else in a container.
 */
import { startEtcd } from '../../src/cluster/engines/etcd.ts'
import { startKafka } from '../../src/cluster/engines/kafka.ts'
import { startRedis } from '../../src/cluster/engines/redis.ts'
import { hasDocker, startContainer } from './containers.ts'
import { ENGINE_NEEDS, type EngineKind } from './engine-kinds.ts'
import { canInstall, installPrograms, missingPrograms } from './install.ts'

/** An engine that can be used. */
export interface Service {
  readonly kind: EngineKind
  /** `host:port`. */
  readonly address: string
  readonly from: 'environment' | 'process' | 'container'
  close(): Promise<void>
}

/** What came of it. */
export interface OpenedServices {
  readonly services: readonly Service[]
  /** Why an engine cannot be had. */
  readonly missing: ReadonlyMap<EngineKind, string>
  close(): Promise<void>
}

/** Opens engines, all at once. Does not reject where one cannot be had. */
export async function openServices(
  kinds: readonly EngineKind[],
  say: (line: string) => void,
): Promise<OpenedServices> {
  const services: Service[] = []
  const missing = new Map<EngineKind, string>()
  // One after the other would install at once; the package manager takes no two.
  const prepared = new Map<EngineKind, Prepared>()
  for (const kind of kinds) prepared.set(kind, await prepare(kind, say))
  await Promise.all(
    Array.from(prepared, async ([kind, way]) => {
      try {
        if ('reason' in way) missing.set(kind, way.reason)
        else services.push(await way.start())
      } catch (error) {
        missing.set(kind, (error as Error).message)
      }
    }),
  )
  return {
    services,
    missing,
    close: async () => {
      await Promise.all(services.map((service) => service.close()))
    },
  }
}

type Prepared = { readonly reason: string } | { readonly start: () => Promise<Service> }

async function prepare(kind: EngineKind, say: (line: string) => void): Promise<Prepared> {
  const { variable, programs } = ENGINE_NEEDS[kind]
  const named = process.env[variable]
  if (named !== undefined && named !== '') return { start: async () => running(kind, named) }
  try {
    const missing = await missingPrograms(programs)
    const [first] = missing.values()
    if (first === undefined) return { start: () => startProcess(kind) }
    const names = [...missing.keys()]
    if (canInstall(names)) {
      await installPrograms(names, say)
      return { start: () => startProcess(kind) }
    }
    if (await hasDocker()) return { start: () => startContainer(kind) }
    return { reason: first.message }
  } catch (error) {
    return { reason: (error as Error).message }
  }
}

function running(kind: EngineKind, address: string): Service {
  return { kind, address, from: 'environment', close: () => Promise.resolve() }
}

const START = { etcd: startEtcd, kafka: startKafka, redis: startRedis }

async function startProcess(kind: EngineKind): Promise<Service> {
  const engine = await START[kind]()
  return { kind, address: engine.address, from: 'process', close: () => engine.close() }
}
