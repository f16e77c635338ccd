/** The result as tables and plots for a document, each table with the command that made it. */
import { oneWayMs } from '../../src/config/topology.ts'
import type { NamedHistogram } from '../step.ts'
import { measureText, worstMeasure } from './budget/shares.ts'
import { COLORS } from './charts/colors.ts'
import { growthFamilies, growthPlot, isGrowth, type GrowthFamily } from './charts/growth.ts'
import { percentilePlot } from './charts/percentiles.ts'
import { ladderFile, plotFile } from './charts/standalone.ts'
import { flattenFacts } from './facts.ts'
import { groupCells, rungsOf, type CallGroup } from './group-cells.ts'
import { markdownTable, type MarkdownColumn } from './markdown-table.ts'
import { matchHistograms, type HistogramByCell } from './match-histograms.ts'
import {
  bytes,
  describeWay,
  overhead,
  plainNumber,
  threeFigures,
  times,
  whyUnknown,
} from './names.ts'
import { compareWorks } from './peer-works.ts'
import type { BenchResult } from './result.ts'
import type { Cell, CellMode } from '../measure/cell.ts'

/** A plot as a file beside the document. */
export interface PlotFile {
  /** Without a folder. */
  readonly name: string
  readonly svg: string
}

/** Everything that a document gets. */
export interface RenderedMarkdown {
  /** Text by the name of its marker: `standard`, `standard:strong`, `standard:peers`, … */
  readonly blocks: ReadonlyMap<string, string>
  readonly plots: readonly PlotFile[]
}

/** Where plots are, as the document names it. */
export interface MarkdownOptions {
  readonly histograms?: readonly NamedHistogram[]
  /** The folder of the plots, relative to the document. */
  readonly plotFolder: string
}

interface Block {
  readonly name: string
  readonly text: string
  readonly plots: readonly PlotFile[]
}

const MODES: readonly CellMode[] = ['strong', 'pinned', 'eventual']

/**
 * One block for each part that the run measured, and one of the profile's name with all of them. A
 * document takes what it has markers for.
 */
export function renderMarkdown(
  result: BenchResult,
  { histograms = [], plotFolder }: MarkdownOptions,
): RenderedMarkdown {
  const byCell = matchHistograms(result.cells, histograms)
  const parts = [
    budgetBlock(result),
    ...MODES.map((mode) => modeBlock(result, mode, byCell, plotFolder)),
    peersBlock(result),
    growthBlock(result, plotFolder),
    notesBlock(result),
    environmentBlock(result),
  ].filter((block) => block !== undefined)
  const first = result.isComplete ? [] : [`**${result.notes[0] ?? 'Incomplete.'}**`]
  const whole = [...first, ...parts.map(({ text }) => text)].join('\n\n')
  const { profile } = result
  return {
    blocks: new Map([
      [profile, whole],
      ...parts.map(({ name, text }): [string, string] => [`${profile}:${name}`, text]),
    ]),
    plots: parts.flatMap(({ plots }) => plots),
  }
}

function budgetBlock({ budget, ...result }: BenchResult): Block {
  const columns = ['path', 'limit', 'bound', 'worst figure', 'verdict'].map((title) => ({ title }))
  const rows = budget.map(({ path, limit, bound, verdict, reason, measures }) => {
    const worst = worstMeasure(measures)
    const figure = worst === undefined ? (reason ?? '') : measureText(worst)
    return [path, limit, bound, figure, verdict]
  })
  return {
    name: 'budget',
    text: `${command(result)}\n\n${markdownTable(columns, rows)}`,
    plots: [],
  }
}

const CELL_COLUMNS: readonly MarkdownColumn[] = [
  { title: 'from → home' },
  ...[
    'n',
    'p50',
    'p95',
    'p99',
    'limit',
    'raw engine p95',
    '× limit',
    'bytes between regions',
    'CPU ms',
  ].map((title) => ({ title, align: 'right' as const })),
]

function modeBlock(
  result: BenchResult,
  mode: CellMode,
  histograms: HistogramByCell,
  folder: string,
): Block | undefined {
  const groups = groupCells(result.cells).filter((group) => group.mode === mode)
  if (groups.length === 0) return undefined
  const plots: PlotFile[] = []
  const texts = groups.map((group) => {
    const title = groupTitle(group)
    const own = groupPlots(result.profile, group, title, histograms)
    plots.push(...own)
    const images = own.map(({ name }) => `![${title}](${folder}/${name})`)
    const table = markdownTable(CELL_COLUMNS, group.cells.map(cellRow))
    return [
      `**${title}**${group.load === null ? '' : `, ${group.load}`} (ms)`,
      table,
      ...images,
    ].join('\n\n')
  })
  return { name: mode, text: [command(result), ...texts].join('\n\n'), plots }
}

function groupTitle({ mode, call, crosses }: CallGroup): string {
  return `${mode} ${call}, ${crosses ? 'across regions' : 'within a region'}`
}

function groupPlots(
  profile: string,
  group: CallGroup,
  title: string,
  histograms: HistogramByCell,
): readonly PlotFile[] {
  const base = fileName([
    profile,
    group.mode,
    group.call,
    group.load ?? '',
    group.crosses ? 'across' : 'within',
  ])
  const lines = group.cells.map((cell) => ({
    name: describeWay(cell),
    rungs: rungsOf(cell),
    ratio: overhead(cell)?.ratio ?? null,
  }))
  const curves = group.cells.flatMap((cell, i) => {
    const encoded = histograms.get(cell)
    if (encoded === undefined || cell.generator.isLate) return []
    return [{ name: describeWay(cell), style: `c${i % COLORS}`, encoded, limitMs: cell.limitMs }]
  })
  const ladder = { name: `${base}.svg`, svg: ladderFile(`${title}, ms`, lines) }
  if (curves.length === 0) return [ladder]
  const percentiles = plotFile(percentilePlot(`${title}: percentiles, ms`, curves), curves)
  return [ladder, { name: `${base}-percentiles.svg`, svg: percentiles }]
}

function cellRow(cell: Cell): readonly string[] {
  const { limitMs, rawEngineP95Ms, crossRegionBytesPerOp, cpuMsPerOp } = cell
  const above = overhead(cell)
  return [
    describeWay(cell),
    cell.n.toLocaleString('en'),
    ...[cell.p50Ms, cell.p95Ms, cell.p99Ms].map(
      (valueMs) => whyUnknown(valueMs, cell) ?? threeFigures(valueMs ?? 0),
    ),
    ...[limitMs, rawEngineP95Ms].map((valueMs) => (valueMs === null ? '' : threeFigures(valueMs))),
    above === null ? '' : `${times(above.ratio)}${above.of === 'limit' ? '' : ' raw'}`,
    crossRegionBytesPerOp === null ? '' : bytes(crossRegionBytesPerOp),
    cpuMsPerOp === null ? '' : threeFigures(cpuMsPerOp),
  ]
}

function peersBlock(result: BenchResult): Block | undefined {
  const works = compareWorks(result)
  if (works.length === 0) return undefined
  const columns: readonly MarkdownColumn[] = [
    ...['from', 'system', 'call', 'what an acknowledgement means'].map((title) => ({ title })),
    ...['p50', 'p95', 'p99', 'network'].map((title) => ({ title, align: 'right' as const })),
  ]
  const texts = works.map(({ title, contestants }) => {
    const rows = contestants.map((one) => [
      describeWay(one),
      one.version === '' ? one.system : `${one.system} ${one.version}`,
      one.op,
      one.durability,
      ...[one.p50Ms, one.p95Ms, one.p99Ms].map(
        (valueMs) => whyUnknown(valueMs, one) ?? threeFigures(valueMs ?? 0),
      ),
      threeFigures(one.networkMs),
    ])
    return `**${title}** (ms)\n\n${markdownTable(columns, rows)}`
  })
  return { name: 'peers', text: [command(result), ...texts].join('\n\n'), plots: [] }
}

function growthBlock(result: BenchResult, folder: string): Block | undefined {
  const families = growthFamilies(result.growth)
  if (families.length === 0) return undefined
  const plots: PlotFile[] = []
  const texts = families.map((family) => {
    const { name } = family
    const text = `**${name}**\n\n${growthTable(family)}`
    if (!isGrowth(family)) return text
    const file = `${fileName([result.profile, 'growth', name, family.yUnit])}.svg`
    plots.push({ name: file, svg: plotFile(growthPlot(family), family.lines) })
    return `${text}\n\n![${name}](${folder}/${file})`
  })
  return { name: 'growth', text: [command(result), ...texts].join('\n\n'), plots }
}

/** A row a size, a column a line. */
function growthTable({ xUnit, yUnit, lines }: GrowthFamily): string {
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(({ x }) => x)))]
  const rows = sizes.map((size) => [
    plainNumber(size),
    ...lines.map(({ points }) => {
      const found = points.find(({ x }) => x === size)
      return found === undefined ? '' : plainNumber(found.y)
    }),
  ])
  const titles = [xUnit, ...lines.map(({ name }) => `${name} ${yUnit}`.trim())]
  return markdownTable(
    titles.map((title) => ({ title, align: 'right' })),
    rows,
  )
}

function notesBlock({ notes }: BenchResult): Block | undefined {
  if (notes.length === 0) return undefined
  return {
    name: 'notes',
    text: notes.map((note) => `- ${note.replaceAll(/\s+/g, ' ')}`).join('\n'),
    plots: [],
  }
}

function environmentBlock(result: BenchResult): Block {
  const { topology, deployment, cpuStealShare, startedAt } = result
  const ways = Object.keys(topology.oneWayMs).map((pair) => {
    const [a = '', b = ''] = pair.split('/')
    return `${a} – ${b} ${plainNumber(oneWayMs(topology, a, b))} ms`
  })
  const rows = [
    ['started', startedAt],
    ['deployment', deployment],
    ['one way', ways.join(', ')],
    [
      'CPU taken by the host',
      cpuStealShare === null ? 'not known' : `${(cpuStealShare * 100).toFixed(1)} %`,
    ],
    ...flattenFacts(result.environment),
  ]
  const table = markdownTable([{ title: 'environment' }, { title: '' }], rows)
  return { name: 'environment', text: table, plots: [] }
}

function command({ command: line }: Pick<BenchResult, 'command'>): string {
  return `\`\`\`sh\n${line}\n\`\`\``
}

function fileName(parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .join('-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}
