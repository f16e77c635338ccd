/** Percentile curves from full histograms, on an axis where each nine takes the same space. */
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { valueAtMs } from '../../measure/histogram.ts'
import { threeFigures } from '../names.ts'
import type { Plot, PlotLine, PlotPoint, PlotTick } from './plot.ts'
import { linearScale, logScale, type Scale } from './scale.ts'

/** One curve. */
export interface PercentileCurve {
  readonly name: string
  /** The class that gives it its colour. */
  readonly style: string
  /** As `NamedHistogram.encoded`. */
  readonly encoded: string
  /** The physical limit, drawn as a line of the same colour; `null` for none. */
  readonly limitMs: number | null
}

interface Point {
  /** -log10(1 - q): 1 for p90, 2 for p99. */
  readonly nines: number
  readonly valueMs: number
}

/** As for printed quantiles: with fewer above it, a quantile says more about luck than about calls. */
const FEWEST_ABOVE = 10
const STEPS_PER_NINE = 16
const FEWEST_NINES = 2
const Y_TICKS = 3
/** Above this ratio of tail to median a linear axis shows the tail alone. */
const LOG_RATIO = 12
/** As high as the rows of a table beside it, within reason. */
const ROW_HEIGHT = 28
const AXES_HEIGHT = 52
const [LEAST_HEIGHT, MOST_HEIGHT] = [156, 250]

const NINES: readonly (readonly [number, string])[] = [
  [Math.log10(2), '50 %'],
  [1, '90 %'],
  [2, '99 %'],
  [3, '99.9 %'],
  [4, '99.99 %'],
  [5, '99.999 %'],
]

/** The curves as one plot; each ends where too few calls lie beyond. */
export function percentilePlot(title: string, curves: readonly PercentileCurve[]): Plot {
  const drawn = curves.map((curve) => ({ curve, points: pointsOf(curve.encoded) }))
  const all = drawn.flatMap(({ points }) => points)
  const mostNines = Math.max(FEWEST_NINES, ...all.map(({ nines }) => nines))
  const y = yScale(all, curves)
  const at = ({ nines, valueMs }: Point): PlotPoint => ({ x: nines / mostNines, y: y.at(valueMs) })
  const lines = drawn.flatMap(({ curve, points }): PlotLine[] => {
    const { style, limitMs } = curve
    const line = { style, points: points.map(at) }
    if (limitMs === null || limitMs <= 0) return [line]
    const limit = [0, 1].map((x) => ({ x, y: y.at(limitMs) }))
    return [{ style: `${style} physical`, points: limit }, line]
  })
  const described = drawn.map(({ curve, points }) => {
    const last = points.at(-1)
    const end = last === undefined ? 'no calls' : `${threeFigures(last.valueMs)} ms at its end`
    return `${curve.name}: ${end}`
  })
  return {
    ...{ title, description: described.join('; '), height: heightFor(curves.length), lines },
    ...{ x: ninesTicks(mostNines), y: y.ticks },
  }
}

function heightFor(rows: number): number {
  return Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, AXES_HEIGHT + rows * ROW_HEIGHT))
}

function pointsOf(encoded: string): readonly Point[] {
  const histogram = decodeFromCompressedBase64(encoded)
  const n = histogram.totalCount
  if (n < FEWEST_ABOVE) return []
  const last = Math.log10(n / FEWEST_ABOVE)
  const steps = Math.max(1, Math.ceil(last * STEPS_PER_NINE))
  return Array.from({ length: steps + 1 }, (_, i) => {
    const nines = (i / steps) * last
    return { nines, valueMs: valueAtMs(histogram, 1 - 10 ** -nines) }
  })
}

function yScale(points: readonly Point[], curves: readonly PercentileCurve[]): Scale {
  const values = points.map(({ valueMs }) => valueMs).filter((value) => value > 0)
  const most = Math.max(...values, ...curves.map(({ limitMs }) => limitMs ?? 0), 1e-3)
  const half = points.filter(({ nines }) => nines <= Math.log10(2)).map(({ valueMs }) => valueMs)
  if (half.length > 0 && most > LOG_RATIO * Math.max(...half, 1e-6)) {
    return logScale(Math.min(...values), most, 'ms')
  }
  return linearScale(most, Y_TICKS, 'ms')
}

function ninesTicks(mostNines: number): readonly PlotTick[] {
  return NINES.filter(([nines]) => nines <= mostNines + 1e-9).map(([nines, label]) => ({
    at: nines / mostNines,
    label,
  }))
}
