/** `meridian strong cost`: what strong tables cost as regions are added. */
import { readTopology } from '../../../benchmarks/topologies/index.ts'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type GivenOptions } from '../command.ts'
import { fileOption, numberOption } from '../option-values.ts'
import { renderTable, type TableColumn } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { strongCost, type StrongCost } from './cost-model.ts'
import { msText } from './print-view.ts'

/** More regions than this are not asked for. */
const MOST_REGIONS = 9
const DEFAULT_TOPOLOGY = 'nine-regions'
const DEFAULT_MEMBERS = 5
const DEFAULT_JITTER = 0.1
const SEED = 1

const COLUMNS: readonly TableColumn[] = [
  { title: 'regions', align: 'right' },
  { title: 'added', align: 'left' },
  { title: 'members', align: 'right' },
  { title: 'survives', align: 'right' },
  { title: 'leader', align: 'left' },
  { title: 'mean', align: 'right' },
  { title: 'worst', align: 'right' },
  { title: 'p50', align: 'right' },
  { title: 'p95', align: 'right' },
  { title: 'copies', align: 'right' },
]

/** @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` */
export async function runStrongCost(given: GivenOptions, terminal: Terminal): Promise<number> {
  const mostMembers =
    numberOption(given, 'members', { least: 1, most: MOST_REGIONS, whole: true }) ?? DEFAULT_MEMBERS
  const jitter = numberOption(given, 'jitter', { least: 0, most: 10 }) ?? DEFAULT_JITTER
  const topology = await readTopology(fileOption(given, 'topology') ?? DEFAULT_TOPOLOGY)
  const counts = countsOf(given, topology.regions.length)
  const costs = counts.map((count) =>
    strongCost(count, { topology, mostMembers, jitter, seed: SEED }),
  )
  if (given['json'] === true) terminal.line(JSON.stringify(costs, null, 2))
  else print(costs, terminal)
  return EXIT.ok
}

/** `3`, or `1..9`. @throws MeridianError `INVALID_ARGUMENT` */
function countsOf(given: GivenOptions, available: number): readonly number[] {
  const most = Math.min(MOST_REGIONS, available)
  const text = typeof given['regions'] === 'string' ? given['regions'] : `1..${most}`
  const [, from = '', to = from] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? []
  const [first, last] = [Number(from), Number(to)]
  if (from !== '' && first >= 1 && first <= last && last <= most) {
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  }
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The option \`--regions\` is ${JSON.stringify(text)}.`,
    {
      fix: `Give it a number from 1 to ${most}, or two: 1..${most}.`,
    },
  )
}

function print(costs: readonly StrongCost[], terminal: Terminal): void {
  const rows = costs.map((cost) => [
    String(cost.regions.length),
    cost.regions.at(-1) ?? '',
    String(cost.members.length),
    String(cost.survives),
    cost.leader,
    msText(cost.meanMs),
    msText(cost.worstMs),
    msText(cost.p50Ms),
    msText(cost.p95Ms),
    cost.copies.toFixed(1),
  ])
  for (const line of renderTable(COLUMNS, rows)) terminal.line(line)
  terminal.line()
  terminal.line(
    'ms of a strong write, or of a read by read index, over all regions alike; the best leader',
  )
  terminal.line(
    'and places of members for each number. mean, worst: by distance alone; p50, p95: simulated.',
  )
  terminal.line(
    'survives: members that may be lost. copies: how often a record crosses between regions.',
  )
}
