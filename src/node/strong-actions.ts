/** What an operator does to strong tables through a node: `meridian strong skip` and `reseed`. */
import type { OperatedGroup } from '../../replication/strong/operated-group.ts'
import type { SkipReport } from '../../replication/strong/skip-record.ts'
import { MeridianError } from '../core/errors.ts'

/** A region that is open in this process. */
export interface OperatedRegion {
  readonly region: string
  readonly groups: readonly OperatedGroup[]
}

/** What can be done. */
export const STRONG_ACTIONS = ['skip', 'reseed'] as const
export type StrongAction = (typeof STRONG_ACTIONS)[number]

/** Reseeds that begin. */
export interface ReseedReport {
  readonly region: string
  readonly groups: readonly string[]
}

type Fields = Readonly<Record<string, unknown>>

/**
 * Does it. `body`: the JSON of `{group, index, dryRun?, without?}` or `{region, group?, from?}`.
 *
 * @throws MeridianError `INVALID_ARGUMENT`, `REGION_UNKNOWN` where the region is not open here, and what
 * the group says
 */
export async function strongAction(
  regions: readonly OperatedRegion[],
  action: StrongAction,
  body: Uint8Array,
): Promise<SkipReport | ReseedReport> {
  const fields = fieldsOf(body)
  return action === 'skip' ? skip(regions, fields) : reseed(regions, fields)
}

async function skip(regions: readonly OperatedRegion[], fields: Fields): Promise<SkipReport> {
  const name = textOf(fields, 'group')
  const { index } = fields
  if (name === undefined || !Number.isSafeInteger(index)) {
    throw invalid('A group and the index of a record are wanted')
  }
  const groups = regions.map((one) => groupOf(one, name))
  const [first] = groups
  if (first === undefined) throw notHere('No region is open here')
  // Any of them asks all others; one that has stopped there has most to say.
  const stopped = groups.find((one) => one.peerState().stopped?.index === index)
  const without = namesOf(fields, 'without') ?? []
  const isDryRun = fields['dryRun'] === true
  return (stopped ?? first).skip(index as number, { isDryRun, without })
}

async function reseed(regions: readonly OperatedRegion[], fields: Fields): Promise<ReseedReport> {
  const region = textOf(fields, 'region')
  if (region === undefined) throw invalid('A region is wanted')
  const found = regions.find((one) => one.region === region)
  if (found === undefined) throw notHere(`Region ${region} is not open here`)
  const name = textOf(fields, 'group')
  const from = textOf(fields, 'from')
  if (from === region) throw invalid('A region cannot be seeded from itself')
  const groups = name === undefined ? found.groups : [groupOf(found, name)]
  for (const group of groups) group.orderReseed(from === undefined ? undefined : [from])
  return { region, groups: groups.map(({ group }) => group) }
}

function groupOf({ groups }: OperatedRegion, name: string): OperatedGroup {
  const group = groups.find((one) => one.group === name)
  if (group !== undefined) return group
  throw new MeridianError('INVALID_ARGUMENT', `There is no log group '${name}'.`, {
    fix: `There are: ${groups.map((one) => one.group).join(', ')}.`,
  })
}

function fieldsOf(body: Uint8Array): Fields {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(body))
  } catch (cause) {
    throw invalid('The body is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('The body is no JSON object')
  }
  return value as Fields
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '') return value
  throw invalid(`\`${name}\` is no text`)
}

function namesOf(fields: Fields, name: string): readonly string[] | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  throw invalid(`\`${name}\` is no list of regions`)
}

function invalid(problem: string, cause?: unknown): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', `${problem}.`, { cause })
}

function notHere(problem: string): MeridianError {
  return new MeridianError('REGION_UNKNOWN', `${problem}.`, {
    fix: 'Ask a node that holds the region.',
  })
}
