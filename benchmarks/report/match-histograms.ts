/** Which histogram belongs to which cell. */
import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { quantileMs } from '../measure/histogram.ts'
import type { Cell, CellQuantiles, PeerCell } from '../measure/cell.ts'
import type { NamedHistogram } from '../step.ts'

/** The encoded histogram of each cell that has one. */
export type HistogramByCell = ReadonlyMap<Cell | PeerCell, string>

interface Candidate {
  readonly name: string
  readonly encoded: string
  readonly histogram: Histogram
}

const NEAR_MS = 1e-6

/**
 * A cell's histogram is the one that its figures are read from: it has as many values and the same
 * quantiles. Where that is true of several, the one whose name has more of the cell's words.
 * Cells whose latencies are withheld or too few have none.
 */
export function matchHistograms(
  cells: readonly (Cell | PeerCell)[],
  histograms: readonly NamedHistogram[],
): HistogramByCell {
  const byCount = new Map<number, Candidate[]>()
  for (const { name, encoded } of histograms) {
    const histogram = decodeFromCompressedBase64(encoded)
    const candidate = { name: name.toLowerCase(), encoded, histogram }
    byCount.set(histogram.totalCount, [...(byCount.get(histogram.totalCount) ?? []), candidate])
  }
  const matched = new Map<Cell | PeerCell, string>()
  const taken = new Set<Candidate>()
  for (const cell of cells) {
    const fitting = (byCount.get(cell.n) ?? []).filter(
      (one) => !taken.has(one) && hasFiguresOf(cell, one.histogram),
    )
    const words = wordsOf(cell)
    const [best] = fitting.toSorted((a, b) => wordsIn(b.name, words) - wordsIn(a.name, words))
    if (best === undefined) continue
    taken.add(best)
    matched.set(cell, best.encoded)
  }
  return matched
}

function hasFiguresOf({ p50Ms, p95Ms, p99Ms }: CellQuantiles, histogram: Histogram): boolean {
  if (p50Ms === null) return false
  const same = (q: number, valueMs: number | null): boolean =>
    valueMs === null || Math.abs((quantileMs(histogram, q) ?? -1) - valueMs) < NEAR_MS
  return same(0.5, p50Ms) && same(0.95, p95Ms) && same(0.99, p99Ms)
}

function wordsOf(cell: Cell | PeerCell): readonly string[] {
  const system = 'mode' in cell ? cell.mode : cell.peer
  return [system, cell.op, cell.origin, ...(cell.home === null ? [] : [cell.home])]
}

function wordsIn(name: string, words: readonly string[]): number {
  return words.filter((word) => name.includes(word.toLowerCase())).length
}
