/** What `meridian cluster` says: for people, or an object a line for programs. */
import { relative } from 'node:path'
import type { Progress } from '../progress.ts'
import { renderTable, type TableColumn } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { PartHealth } from '../../cluster/health.ts'
import { foldersOf } from '../../cluster/layout.ts'
import type { EndedPart, PartProgress } from '../../cluster/parts.ts'

const COLUMNS: readonly TableColumn[] = [
  { title: 'region', align: 'left' },
  { title: 'part', align: 'left' },
  { title: 'address', align: 'left' },
  { title: 'health', align: 'left' },
  { title: 'version', align: 'left' },
  { title: 'answers in', align: 'right' },
]

/** Counts the parts that are done, and names those that are not. */
export class PartsProgress {
  /** What draws it at the moment. */
  shown: Progress | undefined
  readonly #waiting = new Set<string>()
  readonly #done = new Map<string, number>()

  note({ name, state, elapsedMs }: PartProgress): void {
    if (state === 'starting' || state === 'stopping') this.#waiting.add(name)
    else {
      this.#waiting.delete(name)
      this.#done.set(name, elapsedMs)
    }
    this.shown?.update(this.#done.size, this.#waitingKinds())
  }

  /** `kafka (3), node eu-west`: a line is short. */
  #waitingKinds(): string {
    const byKind = new Map<string, string[]>()
    for (const name of this.#waiting) {
      const kind = name.split(' ', 1)[0] ?? name
      byKind.set(kind, [...(byKind.get(kind) ?? []), name])
    }
    const texts = Array.from(byKind, ([kind, names]) =>
      names.length === 1 ? names[0] : `${kind} (${names.length})`,
    )
    return texts.join(', ')
  }

  /** What took how long; forgets it. */
  summary(): string {
    const times = Array.from(
      this.#done,
      ([name, elapsedMs]) => `${name} ${(elapsedMs / 1000).toFixed(1)} s`,
    )
    this.#done.clear()
    return times.join(', ')
  }
}

/** The table of all parts. */
export function printHealth(parts: readonly PartHealth[], terminal: Terminal): void {
  const rows = parts.map((part) => [
    part.region,
    part.name.replace(` ${part.region}`, ''),
    part.address,
    part.healthy ? 'ok' : part.problem.split('\n', 1)[0] || 'no answer',
    part.version || '-',
    `${part.latencyMs.toFixed(1)} ms`,
  ])
  for (const line of renderTable(COLUMNS, rows)) terminal.line(line)
}

/** How to use it. */
export function printUse(cluster: Cluster, terminal: Terminal): void {
  const { directory, regions, token } = cluster
  const show = (path: string): string => {
    const near = relative(process.cwd(), path)
    return near.startsWith('..') ? path : near
  }
  const config = show(cluster.configFile(regions[0] ?? ''))
  terminal.line()
  terminal.line(`Logs:    ${show(foldersOf(directory).logs)}`)
  terminal.line(
    `Status:  MERIDIAN_TOKEN=… meridian status --config ${config} --token-env MERIDIAN_TOKEN`,
  )
  terminal.line(`Nodes:   ${JSON.stringify(cluster.urls)}`)
  terminal.line(`Token:   ${token}`)
}

/** A part that ended by itself. */
export function printEnded({ name, end, logFile, lastLines }: EndedPart, terminal: Terminal): void {
  const how = end.signal === null ? `with code ${end.code}` : `by ${end.signal}`
  terminal.note(`\n${name} has ended ${how}; the rest goes on. ${logFile} ends with:`)
  for (const line of lastLines) terminal.note(`  ${line}`)
}
