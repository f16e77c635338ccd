/** Rules about where data comes to lie: engines that regions share, and tables that are everywhere. */
import type { Config } from './parse-config.ts'
import type { RedisConfig } from './engine-sections.ts'
import type { Finding, Findings } from './findings.ts'

/** What is known of the schema. */
export interface SchemaFacts {
  /** Names of its strong tables with rows of tenants: each region has all of them. */
  readonly strongTenantTables: readonly string[]
}

/** Looks at what lies where. */
export function checkResidencyOf(config: Config, schema: SchemaFacts | undefined): Findings {
  const shared = [
    ...sharedIn(config, 'changeLogs', ({ changeLogs }, region) => changeLogs[region]?.brokers),
    ...sharedIn(config, 'caches', ({ caches }, region) => redisAddresses(caches[region])),
  ]
  const strong = checkStrongTables(config, schema)
  return {
    problems: [
      ...sharedStores(config),
      ...shared.filter(({ denied }) => denied !== undefined).map(({ finding }) => finding),
      ...strong.problems,
    ],
    warnings: [
      ...shared.filter(({ denied }) => denied === undefined).map(({ finding }) => finding),
      ...strong.warnings,
    ],
  }
}

function redisAddresses(redis: RedisConfig | undefined): readonly string[] | undefined {
  if (redis === undefined) return undefined
  const { address, sentinels, cluster } = redis
  // Sentinels may watch several masters: their name tells them apart.
  const watched = sentinels?.addresses.map((one) => `${one} ${sentinels.name}`)
  return [...(address === undefined ? [] : [address]), ...(watched ?? []), ...(cluster ?? [])]
}

/** A store has one owner. */
function sharedStores({ regions, stores }: Config): readonly Finding[] {
  const owners = new Map<string, string>()
  return regions.flatMap((region) => {
    const url = stores[region]?.url.replace(/\/+$/, '')
    if (url === undefined) return []
    const owner = owners.get(url)
    owners.set(url, owner ?? region)
    if (owner === undefined) return []
    const finding: Finding = {
      rule: 'store-shared',
      path: ['stores', region, 'url'],
      problem: `is the store of ${owner}: a store holds the rows of one region`,
      fix: 'Give each region a server, or a namespace, of its own.',
    }
    return [finding]
  })
}

interface Shared {
  readonly finding: Finding
  /** A class of tenants that one of the regions may not have. */
  readonly denied: string | undefined
}

/** Regions whose engines have an address in common: the data of both lies where the engine is. */
function sharedIn(
  config: Config,
  section: 'changeLogs' | 'caches',
  addressesOf: (config: Config, region: string) => readonly string[] | undefined,
): readonly Shared[] {
  const owners = new Map<string, string>()
  const shared: Shared[] = []
  for (const region of config.regions) {
    const addresses = addressesOf(config, region) ?? []
    const taken = addresses.find((address) => owners.has(address))
    for (const address of addresses) owners.set(address, owners.get(address) ?? region)
    if (taken === undefined) continue
    const owner = owners.get(taken) ?? ''
    const denied = deniedClass(config, region, owner)
    const what = section === 'changeLogs' ? 'changes' : 'cached rows'
    const reason =
      denied === undefined
        ? `the ${what} of both regions lie in one place, and are lost together`
        : `tenants of the class '${denied}' may be in one of the two regions only, and their ${what} would lie in one place`
    shared.push({
      denied,
      finding: {
        rule: section === 'changeLogs' ? 'kafka-shared' : 'redis-shared',
        path: [section, region],
        problem: `${taken.split(' ', 1)[0]} also serves ${owner}: ${reason}`,
        fix: `Give ${region} ${section === 'changeLogs' ? 'a Kafka' : 'a Redis'} of its own.`,
      },
    })
  }
  return shared
}

/** A class that one of two regions may hold and the other may not. */
function deniedClass({ residency }: Config, a: string, b: string): string | undefined {
  const denied = Object.entries(residency).find(
    ([, allowed]) => allowed.includes(a) !== allowed.includes(b),
  )
  return denied?.[0]
}

/** Strong rows reach every region and every member of etcd (protocol rule 22). */
function checkStrongTables(config: Config, schema: SchemaFacts | undefined): Findings {
  const bound = Object.entries(config.residency).filter(
    ([, allowed]) => !config.regions.every((region) => allowed.includes(region)),
  )
  if (bound.length === 0) return { problems: [], warnings: [] }
  const names = bound.map(([name]) => `'${name}'`).join(', ')
  const tables = schema?.strongTenantTables
  const isAll = bound.length === Object.keys(config.residency).length
  const which = tables === undefined ? 'strong tables' : tables.join(', ')
  if (tables?.length === 0) return { problems: [], warnings: [] }
  const finding: Finding = {
    rule: isAll ? 'strong-tables-for-nobody' : 'strong-tables-bound',
    path: ['residency', 'classes'],
    problem:
      `tenants of ${names} may not be in every region, where every row of ${which} is` +
      (isAll ? ', and there is no other class' : ': their strong writes are refused'),
    fix: isAll
      ? 'Declare these tables `pinned`, or allow a class of tenants in every region.'
      : 'Keep what these tenants need in pinned and eventual tables.',
  }
  const cannotWork = isAll && tables !== undefined
  return { problems: cannotWork ? [finding] : [], warnings: cannotWork ? [] : [finding] }
}
