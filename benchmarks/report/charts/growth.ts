/** How a cost grows: one plot for all that is told of the same thing. */
import type { GrowthPoint } from '../../measure/cell.ts'
import { plainNumber } from '../names.ts'
import { COLORS } from './colors.ts'
import type { Plot } from './plot.ts'
import { linearScale, tightLogScale } from './scale.ts'

/** One line, in the order of its x. */
export interface GrowthLine {
  /** `p50`; empty where there is but one line. */
  readonly name: string
  /** The class that gives it its colour. */
  readonly style: string
  readonly points: readonly GrowthPoint[]
}

/** What grows with what. */
export interface GrowthFamily {
  readonly name: string
  readonly xUnit: string
  readonly yUnit: string
  readonly lines: readonly GrowthLine[]
}

const HEIGHT = 170
const TICKS = 3
/** Above this ratio between its ends, x is drawn by powers of ten. */
const LOG_RATIO = 50
/** More of them are a line anyway. */
const MOST_DOTS = 12
/** `pinned write, rows in the table: p95` is a line of the family before the colon. */
const QUANTILE = /^(.*): (p\d+)$/

/** Families in the order in which they came. */
export function growthFamilies(points: readonly GrowthPoint[]): readonly GrowthFamily[] {
  const families = new Map<string, Map<string, GrowthPoint[]>>()
  for (const point of points) {
    const [, name = point.series, line = ''] = QUANTILE.exec(point.series) ?? []
    const key = JSON.stringify([name, point.xUnit, point.yUnit])
    const lines = families.get(key) ?? new Map<string, GrowthPoint[]>()
    families.set(key, lines.set(line, [...(lines.get(line) ?? []), point]))
  }
  return [...families].map(([key, lines]) => {
    const [name = '', xUnit = '', yUnit = ''] = JSON.parse(key) as readonly string[]
    const sorted = [...lines].map(([line, own], i) => ({
      ...{ name: line, style: `c${i % COLORS}` },
      points: own.toSorted((a, b) => a.x - b.x),
    }))
    return { name, xUnit, yUnit, lines: sorted }
  })
}

/** Whether there is more than one size: a single one is a figure, no growth. */
export function isGrowth({ lines }: GrowthFamily): boolean {
  return lines.some(({ points }) => new Set(points.map(({ x }) => x)).size > 1)
}

/** A family as a plot; y begins at 0, so that flat looks flat. */
export function growthPlot({ name, xUnit, yUnit, lines }: GrowthFamily): Plot {
  const all = lines.flatMap(({ points }) => points)
  const xs = all.map(({ x }) => x)
  const [least, most] = [Math.min(...xs), Math.max(...xs)]
  const isLog = least > 0 && most > least * LOG_RATIO
  const x = isLog ? tightLogScale(xs) : linearScale(Math.max(most, 1e-9), TICKS, '')
  const y = linearScale(Math.max(...all.map((point) => point.y), 1e-9), TICKS, yUnit)
  const told = (points: readonly GrowthPoint[]): string =>
    points
      .map((point) => `${plainNumber(point.y)} ${yUnit} at ${plainNumber(point.x)} ${xUnit}`)
      .join('; ')
  return {
    title: name,
    description: lines.map((line) => `${line.name} ${told(line.points)}`.trim()).join('; '),
    ...{ height: HEIGHT, x: x.ticks, y: y.ticks },
    lines: lines.map(({ style, points }) => ({
      style,
      dots: points.length <= MOST_DOTS,
      points: points.map((point) => ({ x: x.at(point.x), y: y.at(point.y) })),
    })),
  }
}
