/** How far regions are from each other: the one-way network delay between each pair. */
import type { ConfigSource } from './config-source.ts'

/** Regions and the delay between each two of them, the same in both directions. */
export interface Topology {
  readonly regions: readonly string[]
  /** One-way milliseconds by `pairName`; every pair of `regions` is there. */
  readonly oneWayMs: Readonly<Record<string, number>>
}

/** The distances that a topology without any of its own gets, where it has these regions. */
export const DEFAULT_ONE_WAY_MS: Readonly<Record<string, number>> = {
  'eu-west/us-east': 40,
  'ap-south/us-east': 95,
  'ap-south/eu-west': 60,
}

/** The regions of the default topology. */
export const DEFAULT_REGIONS: readonly string[] = ['us-east', 'eu-west', 'ap-south']

/** The name of a pair of regions, whichever way round: both names, in order, joined by `/`. */
export function pairName(a: string, b: string): string {
  return a < b ? `${a}/${b}` : `${b}/${a}`
}

/** Every pair of different regions. */
export function regionPairs(regions: readonly string[]): [string, string][] {
  return regions.flatMap((a, i) => regions.slice(i + 1).map((b): [string, string] => [a, b]))
}

/** The one-way delay in ms; 0 within a region. */
export function oneWayMs(topology: Topology, from: string, to: string): number {
  return from === to ? 0 : (topology.oneWayMs[pairName(from, to)] ?? 0)
}

/** The same topology with every delay multiplied by `factor`. */
export function scaleTopology(topology: Topology, factor: number): Topology {
  const scaled = Object.entries(topology.oneWayMs).map(([pair, ms]) => [pair, ms * factor])
  return { regions: topology.regions, oneWayMs: Object.fromEntries(scaled) }
}

/**
 * Checks delays as a file names them (`us-east/eu-west: 40`) against the regions.
 *
 * @throws MeridianError `CONFIG_INVALID`: an unknown region, a pair that is missing, named twice or
 * joins a region with itself, a negative delay
 */
export function resolveTopology(
  source: ConfigSource,
  path: readonly string[],
  regions: readonly string[],
  delays: Readonly<Record<string, number>>,
): Topology {
  const resolved: Record<string, number> = {}
  for (const [name, delayMs] of Object.entries(delays)) {
    const at = [...path, name]
    const pair = checkPair(source, at, regions, name)
    if (resolved[pair] !== undefined) {
      throw source.invalid(at, `the pair ${pair} is named twice`, 'Delays are the same both ways.')
    }
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw source.invalid(
        at,
        `the delay ${delayMs} is not 0 or more`,
        'Give milliseconds one way.',
      )
    }
    resolved[pair] = delayMs
  }
  for (const [a, b] of regionPairs(regions)) {
    if (resolved[pairName(a, b)] === undefined) {
      throw source.invalid(
        path,
        `the delay between ${a} and ${b} is missing`,
        `Add \`${a}/${b}: <milliseconds one way>\`.`,
      )
    }
  }
  return { regions, oneWayMs: resolved }
}

function checkPair(
  source: ConfigSource,
  at: readonly string[],
  regions: readonly string[],
  name: string,
): string {
  const [a, b, ...rest] = name.split('/')
  if (a === undefined || b === undefined || rest.length > 0) {
    throw source.invalid(at, `'${name}' is not a pair of regions`, 'Write it as `region/region`.')
  }
  for (const region of [a, b]) {
    if (!regions.includes(region)) {
      throw source.invalid(at, `region '${region}' is unknown`, `Known: ${regions.join(', ')}.`)
    }
  }
  if (a === b) throw source.invalid(at, `'${name}' joins a region with itself`, 'Remove it.')
  return pairName(a, b)
}
