/**
 * Latencies in full as logs of HdrHistogram (format 1.3), one file a cell, for its own tools: values
 * are microseconds, the interval's greatest value is told in milliseconds.
 */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { MeridianError } from '../../src/core/errors.ts'
import type { NamedHistogram } from '../step.ts'

/** When the measurements of a log were made. */
export interface LogInterval {
  readonly startedAtMs: number
  readonly elapsedMs: number
}

const US_PER_MS = 1000
const NAME = /[^a-z0-9._-]+/gi
const LONGEST_NAME = 120

/** The text of a log with one interval. The histogram is taken over as it is, not encoded anew. */
export function formatHdrLog(histogram: NamedHistogram, interval: LogInterval): string {
  const startSeconds = (interval.startedAtMs / 1000).toFixed(3)
  const seconds = (interval.elapsedMs / 1000).toFixed(3)
  const mostMs = decodeFromCompressedBase64(histogram.encoded).maxValue / US_PER_MS
  return [
    '#[Histogram log format version 1.3]',
    `#[StartTime: ${startSeconds} (seconds since epoch), ${new Date(interval.startedAtMs).toISOString()}]`,
    `#[${histogram.name.replaceAll(/\s+/g, ' ')}; values in microseconds, Interval_Max in milliseconds]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    `Tag=${safeName(histogram.name)},${startSeconds},${seconds},${mostMs.toFixed(3)},${histogram.encoded}`,
    '',
  ].join('\n')
}

/** File names, one a histogram, in their order: no separators, no two the same. */
export function logFileNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    const base = safeName(name)
    let file = base
    // Names that differ in case alone are the same file on some systems.
    for (let i = 2; taken.has(file.toLowerCase()); i++) file = `${base}-${i}`
    taken.add(file.toLowerCase())
    return `${file}.hlog`
  })
}

/** A name that is a file's, and a tag's: tags end at a comma. */
function safeName(name: string): string {
  const safe = name
    .replaceAll(NAME, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, LONGEST_NAME)
  return safe === '' ? 'cell' : safe
}

/**
 * The encoded histogram of a log with one interval.
 *
 * @throws MeridianError `INVALID_VALUE` where there is none
 */
export function parseHdrLog(text: string, file: string): string {
  const line = text.split('\n').find((one) => one.startsWith('Tag='))
  const encoded = line?.split(',')[4]
  if (encoded !== undefined && encoded !== '') return encoded
  throw new MeridianError('INVALID_VALUE', `${file} has no histogram.`)
}
