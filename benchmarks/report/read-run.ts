/** Reads a result and the raw logs beside it, as `writeReports` wrote them. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { MeridianError } from '../../src/core/errors.ts'
import type { NamedHistogram } from '../step.ts'
import { parseHdrLog } from './hdr-log.ts'
import type { BenchResult, MeasuredRun } from './result.ts'
import { resultSchema } from './result-schema.ts'

/** @throws MeridianError `INVALID_VALUE`: the file or a log that it names is none, or of another version */
export async function readRun(path: string): Promise<MeasuredRun> {
  const result = parseResult(await readFile(path, 'utf8'), path)
  const histograms: NamedHistogram[] = []
  for (const { name, file } of result.histograms) {
    const text = await readFile(join(dirname(path), file), 'utf8')
    histograms.push({ name, encoded: parseHdrLog(text, file) })
  }
  return { result, histograms }
}

function parseResult(text: string, path: string): BenchResult {
  const parsed = resultSchema.safeParse(parseJson(text, path))
  if (parsed.success) return parsed.data
  const where = z.prettifyError(parsed.error)
  throw new MeridianError('INVALID_VALUE', `${path} is no result of benchmarks: ${where}`)
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MeridianError('INVALID_VALUE', `${path} is no JSON.`, { cause: error })
  }
}
