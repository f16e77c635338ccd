/** `meridian status`: asks every node how it stands, and prints it. */
import { asMeridianError, toWireError, type WireError } from '../../core/errors.ts'
import type { NodeReport, RegionReport } from '../../node/node-status.ts'
import type { SharedRegionReport } from '../../node/shared-region/shared-region.ts'
import { EXIT, type Command } from '../command.ts'
import { renderTable, type TableColumn } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { fetchReport, type FetchOptions } from './fetch-report.ts'
import { nodesOf, TOKEN_FIX, tokenOf, type NodeToAsk } from './nodes-to-ask.ts'

const DESCRIPTION = `Asks every node of a configuration, or the node at one URL, how it stands: whether it is ready, how
far its regions have applied the logs, how far the streams between them lag, and which of several
nodes of a region holds it, under which fence and since when. The exit code is 1
where a node gives no answer or is not ready. Nodes with \`auth\` want a token with the scope
'metrics'.`

/** The command. */
export const statusCommand: Command = {
  description: DESCRIPTION,
  options: {
    config: {
      type: 'string',
      placeholder: 'FILE',
      summary: 'Ask all nodes of this configuration.',
    },
    url: { type: 'string', placeholder: 'URL', summary: 'Ask this node alone.' },
    'token-env': { type: 'string', placeholder: 'NAME', summary: 'The variable with the token.' },
    json: { type: 'boolean', summary: 'Print what the nodes answer as JSON.' },
  },
  async run(given, terminal) {
    const { nodes, ca } = await nodesOf(given)
    const options = { token: tokenOf(given), ca }
    const answers = await Promise.all(nodes.map((node) => ask(node, options)))
    if (given['json'] === true) terminal.line(JSON.stringify(answers, null, 2))
    else print(answers, terminal)
    return answers.every((answer) => answer.report?.ready === true) ? EXIT.ok : EXIT.failed
  },
}

/** What it said, or why it did not. */
interface NodeAnswer extends NodeToAsk {
  readonly report?: NodeReport
  readonly error?: WireError
}

async function ask(node: NodeToAsk, options: FetchOptions): Promise<NodeAnswer> {
  try {
    return { ...node, report: await fetchReport(node.url, options) }
  } catch (error) {
    return { ...node, error: toWireError(asMeridianError(error)) }
  }
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'region', align: 'left' },
  { title: 'node', align: 'left' },
  { title: 'state', align: 'left' },
  { title: 'role', align: 'left' },
  { title: 'schema', align: 'right' },
  { title: 'log index', align: 'right' },
  { title: 'relayed', align: 'right' },
  { title: 'in views', align: 'right' },
  { title: 'behind', align: 'left' },
]

function print(answers: readonly NodeAnswer[], terminal: Terminal): void {
  for (const line of renderTable(COLUMNS, answers.flatMap(rowsOf))) terminal.line(line)
  for (const answer of answers) {
    for (const problem of problemsOf(answer)) terminal.note(`${answer.url}: ${problem}`)
  }
}

function rowsOf({ url, regions, report, error }: NodeAnswer): readonly (readonly string[])[] {
  if (report === undefined) {
    const names = regions.length === 0 ? ['?'] : regions
    return names.map((region) => [region, url, error?.code ?? 'no answer'])
  }
  const state = report.ready ? 'ready' : 'not ready'
  const leads = (region: string): string => (region === report.leader ? `${region} *` : region)
  const elsewhere = report.shared.filter(
    ({ region }) => !report.regions.some((one) => one.region === region),
  )
  return [
    ...report.regions.map((region) => openRow(leads(region.region), url, state, region, report)),
    ...elsewhere.map((one) => [leads(one.region), url, state, roleOf(one)]),
  ]
}

function openRow(
  name: string,
  url: string,
  state: string,
  region: RegionReport,
  report: NodeReport,
): readonly string[] {
  const shared = report.shared.find((one) => one.region === region.region)
  return [
    name,
    url,
    state,
    shared === undefined ? '-' : roleOf(shared),
    String(report.schemaVersion),
    String(region.strongIndex),
    String(region.relayPosition),
    String(region.viewPosition),
    behind(region),
  ]
}

/** What a node is to a region that has several, under which fence and since when. */
function roleOf({ state, fence, since }: SharedRegionReport): string {
  const words = state.replace('-', ' ')
  return fence === null ? `${words}, nobody holds it` : `${words} (${fence}) since ${since}`
}

/** How many changes of each other region are missing, where any are. */
function behind({ imports }: RegionReport): string {
  const late = imports.filter(({ lag, connected }) => lag > 0 || !connected)
  if (late.length === 0) return '-'
  return late.map(({ from, lag, connected }) => `${from} ${connected ? lag : 'cut'}`).join(', ')
}

function problemsOf({ report, error }: NodeAnswer): readonly string[] {
  if (error !== undefined) {
    const fix = error.code === 'UNAUTHENTICATED' ? ` ${TOKEN_FIX}` : ''
    return [`${error.code}: ${error.message}${fix}`]
  }
  const waiting = report?.checks.filter((check) => !check.ok) ?? []
  return [
    ...waiting.map(({ name, waitsFor }) => `${name} waits for ${waitsFor ?? 'its turn'}`),
    ...(report?.regions ?? []).flatMap(engineProblems),
  ]
}

/** What a region does without for now; nodes of before may not tell. */
function engineProblems({ region, relayError, publisher, cache }: RegionReport): readonly string[] {
  const problems = {
    'the change log takes no more': relayError,
    'the topics of tables take no more': publisher?.error,
    'the cache is not used': cache?.error,
  }
  return Object.entries(problems).flatMap(([what, code]) =>
    code === null || code === undefined ? [] : [`${region}: ${what} (${code}); see its log`],
  )
}
