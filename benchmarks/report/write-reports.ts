/** Writes the result: the JSON file, the raw logs beside it, and the page. */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { NamedHistogram } from '../step.ts'
import { formatHdrLog, logFileNames } from './hdr-log.ts'
import { renderHtml } from './html/page.ts'
import type { BenchResult, HistogramFile } from './result.ts'

/** Where to write; what is left out is not written. */
export interface ReportPaths {
  readonly json?: string
  readonly html?: string
}

const LOG_ENDING = '.hlog'

/**
 * Writes what `paths` asks for and returns the files written. The JSON file comes last: what it names
 * is there once it is. Each file is there whole or not at all; logs of an earlier run under the same
 * name are removed.
 */
export async function writeReports(
  result: BenchResult,
  histograms: readonly NamedHistogram[],
  { json, html }: ReportPaths,
): Promise<readonly string[]> {
  const written: string[] = []
  if (html !== undefined) {
    await replaceFile(html, renderHtml(result, histograms))
    written.push(html)
  }
  if (json !== undefined) {
    const files = await writeLogs(result, histograms, `${json}.hdr`)
    await replaceFile(json, formatResult({ ...result, histograms: files }))
    written.push(json, ...files.map(({ file }) => join(dirname(json), file)))
  }
  return written
}

/** The result as JSON text. */
function formatResult(result: BenchResult): string {
  return `${JSON.stringify(result, undefined, 2)}\n`
}

async function writeLogs(
  { startedAt, elapsedMs }: BenchResult,
  histograms: readonly NamedHistogram[],
  folder: string,
): Promise<readonly HistogramFile[]> {
  const interval = { startedAtMs: Date.parse(startedAt), elapsedMs }
  const files = logFileNames(histograms.map(({ name }) => name))
  await mkdir(folder, { recursive: true })
  const written: HistogramFile[] = []
  for (const [i, histogram] of histograms.entries()) {
    const file = files[i] ?? ''
    await replaceFile(join(folder, file), formatHdrLog(histogram, interval))
    written.push({ name: histogram.name, file: `${basename(folder)}/${file}` })
  }
  const known = new Set(files)
  const stale = (await readdir(folder)).filter((f) => f.endsWith(LOG_ENDING) && !known.has(f))
  for (const file of stale) await rm(join(folder, file))
  return written
}

/** Whole or not at all: a reader never meets half a file. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}.new`)
  try {
    await writeFile(draft, content, { flush: true })
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
