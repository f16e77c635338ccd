/** Reads `meridian.yaml` and topology files, and checks what a shape alone cannot say. */
import { z } from 'zod'
import { ConfigSource } from './config-source.ts'
import {
  configSchema,
  DEFAULT_CLASS,
  topologyFileSchema,
  type KeysConfig,
  type LimitsConfig,
} from './config-schema.ts'
import {
  DEFAULT_ONE_WAY_MS,
  DEFAULT_REGIONS,
  oneWayMs,
  pairName,
  regionPairs,
  resolveTopology,
  type Topology,
} from './topology.ts'
import { checkEngines } from './check-engines.ts'
import { checkProcesses } from './check-processes.ts'
import { requireRegion } from './check-regions.ts'
import type { EtcdConfig, KafkaConfig, RedisConfig } from './engine-sections.ts'
import type { AuthConfig, NodeConfig, StoreConfig, TlsConfig } from './process-sections.ts'

/** A checked configuration with every default filled in. */
export interface Config {
  readonly regions: readonly string[]
  readonly topology: Topology
  /** Keys in etcd and Redis and topics in Kafka begin with it. */
  readonly name: string
  /** `etcd: null`: a file of the leader's node. */
  readonly commitLog: {
    readonly leader: string
    readonly etcd: EtcdConfig | null
    /** Of the leases of tables with local strong reads, ms. */
    readonly leaseDurationMs: number
  }
  readonly data: { readonly directory: string }
  /** Allowed regions of each tenant class; `default` is always there. */
  readonly residency: Readonly<Record<string, readonly string[]>>
  /** `null`: keys are given in code, or encrypted columns are refused. */
  readonly keys: KeysConfig | null
  readonly limits: LimitsConfig
  /** The schema's module, as the file names it; `null`: given in code. */
  readonly schema: string | null
  /** Nodes by region; either every region has at least one or none has (embedded). */
  readonly nodes: Readonly<Record<string, readonly NodeConfig[]>>
  /** Stores by region, where they are not files. */
  readonly stores: Readonly<Record<string, StoreConfig>>
  /** Kafka by region, where change logs are not files. */
  readonly changeLogs: Readonly<Record<string, KafkaConfig>>
  /** Redis by region. */
  readonly caches: Readonly<Record<string, RedisConfig>>
  /** `null`: callers are not authenticated, and nodes serve the loopback interface only. */
  readonly auth: AuthConfig | null
  readonly tls: TlsConfig | null
}

/**
 * Reads a configuration. `source` names the text in errors: a file's path.
 *
 * @throws MeridianError `CONFIG_INVALID` with the line, the path in the file, and what to do
 */
export function parseConfig(yamlText: string, source: string): Config {
  return checkConfig(new ConfigSource(yamlText, source))
}

/** The configuration of regions at their built-in distances, with defaults for all else. */
export function defaultConfig(regions: readonly string[] = DEFAULT_REGIONS): Config {
  return checkConfig(new ConfigSource(JSON.stringify({ regions }), 'default configuration'))
}

/**
 * Reads a topology file, YAML or JSON: `{ regions: [a, b], topology: { a/b: 40 } }`.
 *
 * @throws MeridianError `CONFIG_INVALID`
 */
export function parseTopology(text: string, source: string): Topology {
  const file = new ConfigSource(text, source)
  const { regions, topology } = checkShape(file, topologyFileSchema)
  checkDistinct(file, regions)
  return resolveTopology(file, ['topology'], regions, topology)
}

function checkConfig(source: ConfigSource): Config {
  const raw = checkShape(source, configSchema)
  checkDistinct(source, raw.regions)
  const topology = resolveTopology(
    source,
    ['topology'],
    raw.regions,
    raw.topology ?? builtInDelays(raw.regions),
  )
  const leader = raw.commitLog.leader ?? mostCentral(topology)
  requireRegion(source, ['commitLog', 'leader'], raw.regions, leader)
  return {
    regions: raw.regions,
    topology,
    name: raw.name,
    commitLog: {
      leader,
      etcd: raw.commitLog.etcd ?? null,
      leaseDurationMs: raw.commitLog.leaseDurationMs,
    },
    data: raw.data,
    residency: checkResidency(source, raw.regions, raw.residency?.classes),
    keys: raw.keys ?? null,
    limits: raw.limits,
    ...checkProcesses(source, raw),
    ...checkEngines(source, raw),
  }
}

function checkShape<T extends z.ZodType>(source: ConfigSource, schema: T): z.infer<T> {
  const parsed = schema.safeParse(source.value() ?? {})
  if (parsed.success) return parsed.data
  const issue = innermost(parsed.error.issues[0])
  const problem = (issue?.message ?? 'is invalid').replace(/\.$/, '')
  throw source.invalid(issue?.path ?? [], problem, describe(schema, issue?.path ?? []))
}

/** Of an option that may have several shapes, what is wrong with the shape that fits best. */
function innermost(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union') return issue
  let best: z.core.$ZodIssue | undefined
  for (const [first] of issue.errors) {
    if (first !== undefined && first.path.length > (best?.path.length ?? 0)) best = first
  }
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] }
}

interface JsonSchema {
  readonly anyOf?: readonly JsonSchema[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
}

/** What the schema says of the innermost option on the path that has a description. */
function describe(schema: z.ZodType, path: readonly PropertyKey[]): string {
  let node: JsonSchema | boolean | undefined = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema
  let description = 'Correct it.'
  for (const step of [undefined, ...path]) {
    if (step !== undefined) node = partOf(node, step)
    if (typeof node !== 'object') break
    description = node.description ?? description
  }
  return description
}

function partOf(schema: JsonSchema, step: PropertyKey): JsonSchema | boolean | undefined {
  const shapes = schema.anyOf ?? [schema]
  const part = (shape: JsonSchema): JsonSchema | boolean | undefined =>
    shape.properties?.[String(step)] ?? shape.items ?? shape.additionalProperties
  const fits = (shape: JsonSchema): boolean =>
    (typeof step === 'number') === (shape.items !== undefined)
  return part(shapes.find(fits) ?? schema)
}

function checkDistinct(source: ConfigSource, regions: readonly string[]): void {
  const twice = regions.findIndex((region, i) => regions.indexOf(region) !== i)
  if (twice < 0) return
  const problem = `region '${regions[twice]}' is named twice`
  throw source.invalid(['regions', twice], problem, 'Name each region once.')
}

function checkResidency(
  source: ConfigSource,
  regions: readonly string[],
  classes: Readonly<Record<string, readonly string[]>> | undefined,
): Readonly<Record<string, readonly string[]>> {
  if (classes === undefined) return { [DEFAULT_CLASS]: regions }
  const path = ['residency', 'classes']
  if (classes[DEFAULT_CLASS] === undefined) {
    const fix = `Add \`${DEFAULT_CLASS}: [${regions.join(', ')}]\`, or fewer regions.`
    throw source.invalid(path, `the class '${DEFAULT_CLASS}' is missing`, fix)
  }
  for (const [tenantClass, allowed] of Object.entries(classes)) {
    allowed.forEach((r, i) => requireRegion(source, [...path, tenantClass, i], regions, r))
  }
  return classes
}

function builtInDelays(regions: readonly string[]): Record<string, number> {
  const delays: Record<string, number> = {}
  for (const [a, b] of regionPairs(regions)) {
    const ms = DEFAULT_ONE_WAY_MS[pairName(a, b)]
    if (ms !== undefined) delays[pairName(a, b)] = ms
  }
  return delays
}

/** The region with the smallest sum of delays to the others; the first of several. */
function mostCentral(topology: Topology): string {
  const distance = (from: string): number =>
    topology.regions.reduce((sum, to) => sum + oneWayMs(topology, from, to), 0)
  return topology.regions.reduce((best, region) =>
    distance(region) < distance(best) ? region : best,
  )
}
