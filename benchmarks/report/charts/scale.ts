/** Scales: where a value stands between the ends of an axis. */
import { tickLabel, ticks } from '../html/markup.ts'
import type { PlotTick } from './plot.ts'

/** An axis: `at` gives 0 to 1. */
export interface Scale {
  at(value: number): number
  readonly ticks: readonly PlotTick[]
}

/** From 0 to a round number at or above `most`. */
export function linearScale(most: number, count: number, unit: string): Scale {
  const marks = ticks(most, count)
  const end = marks.at(-1) ?? most
  return { at: (value) => value / end, ticks: labelled(marks, (mark) => mark / end, unit) }
}

/** Powers of ten that enclose the values; all above 0. */
export function logScale(least: number, most: number, unit: string): Scale {
  const first = Math.floor(Math.log10(least) + 1e-9)
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9))
  const at = (value: number): number => (Math.log10(value) - first) / (last - first)
  const marks = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
  return { at, ticks: labelled(marks, at, unit) }
}

/** Exactly from the least to the greatest of the values, where they span so much that only powers tell. */
export function tightLogScale(values: readonly number[]): Scale {
  const [first, last] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))]
  const at = (value: number): number => (Math.log10(value) - first) / (last - first)
  const marks = Array.from(
    { length: Math.floor(last + 1e-9) - Math.ceil(first - 1e-9) + 1 },
    (_, i) => 10 ** (Math.ceil(first - 1e-9) + i),
  )
  return { at, ticks: labelled(marks, at, '') }
}

function labelled(
  marks: readonly number[],
  at: (mark: number) => number,
  unit: string,
): readonly PlotTick[] {
  return marks.map((mark, i) => ({
    at: at(mark),
    // One unit says it for all.
    label:
      i === marks.length - 1 && unit !== '' ? `${shortNumber(mark)} ${unit}` : shortNumber(mark),
  }))
}

function shortNumber(value: number): string {
  if (value >= 1e6 && value % 1e5 === 0) return `${value / 1e6}M`
  return tickLabel(value)
}
