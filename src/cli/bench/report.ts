/** What a run of benchmarks leaves: files, tables on the terminal, and how the gate stands. */
import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { renderMarkdown } from '../../../benchmarks/report/markdown.ts'
import type { MeasuredRun } from '../../../benchmarks/report/result.ts'
import { printResult } from '../../../benchmarks/report/terminal.ts'
import { updateDocument } from '../../../benchmarks/report/update-document.ts'
import { replaceFile, writeReports } from '../../../benchmarks/report/write-reports.ts'
import type { BenchRun } from '../../../benchmarks/run/run-bench.ts'
import type { Thresholds } from '../../../benchmarks/run/thresholds.ts'
import { renderTable } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import type { BenchOptions } from './options.ts'

/** Writes the files that were asked for, then prints. */
export async function reportRun(
  run: BenchRun,
  options: BenchOptions,
  thresholds: Thresholds | undefined,
  terminal: Terminal,
): Promise<void> {
  const written = await writeFiles(run, options)
  printResult({ terminal, renderTable }, run.result)
  terminal.line()
  for (const [name, file] of written) terminal.line(`${`${name}:`.padEnd(9)} ${resolve(file)}`)
  printEnding(run, terminal)
  if (thresholds !== undefined) printGate(run, thresholds, terminal)
}

async function writeFiles(
  { result, histograms }: MeasuredRun,
  { jsonFile, htmlFile, markdownFile }: BenchOptions,
): Promise<readonly (readonly [string, string])[]> {
  await writeReports(result, histograms, {
    ...(jsonFile === undefined ? {} : { json: jsonFile }),
    ...(htmlFile === undefined ? {} : { html: htmlFile }),
  })
  if (markdownFile !== undefined) await writeMarkdown({ result, histograms }, markdownFile)
  const files = [
    ['JSON', jsonFile],
    ['Report', htmlFile],
    ['Markdown', markdownFile],
  ] as const
  return files.flatMap(([name, file]) => (file === undefined ? [] : [[name, file] as const]))
}

/** Into the markers of a document that is there, or as one of its own. */
async function writeMarkdown({ result, histograms }: MeasuredRun, path: string): Promise<void> {
  if (existsSync(path)) {
    await updateDocument(result, histograms, path)
    return
  }
  const plotFolder = basename(path, extname(path))
  const { blocks, plots } = renderMarkdown(result, { histograms, plotFolder })
  for (const { name, svg } of plots) await replaceFile(join(dirname(path), plotFolder, name), svg)
  await replaceFile(path, `${blocks.get(result.profile) ?? ''}\n`)
}

function printEnding({ ending, failedSteps }: BenchRun, terminal: Terminal): void {
  if (ending !== 'complete') terminal.line(terminal.style('yellow', `Incomplete: ${ending}.`))
  if (failedSteps.length === 0) return
  const steps = failedSteps.join(', ')
  terminal.line(terminal.style('red', `Without a result: ${steps}; the notes say why.`))
}

function printGate({ breaches }: BenchRun, { bounds }: Thresholds, terminal: Terminal): void {
  if (breaches.length === 0) {
    terminal.line(terminal.style('green', `Gate: all ${bounds.length} bounds hold.`))
    return
  }
  const count = `${breaches.length} of ${bounds.length}`
  terminal.line(terminal.style('red', `Gate: ${count} bounds do not hold.`))
  for (const { text, bound } of breaches) {
    terminal.line(`  ${text}`)
    terminal.line(terminal.style('dim', `    ${bound.comment}`))
  }
}
