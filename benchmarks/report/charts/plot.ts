/** A plot of lines that is as wide as its frame: text and strokes keep their size. */
import { escapeHtml, percent, px } from '../html/markup.ts'

/** A mark on an axis. */
export interface PlotTick {
  /** 0 to 1 along the axis. */
  readonly at: number
  readonly label: string
}

/** A line; points are shares of the plot, from the left and from below. */
export interface PlotLine {
  /** Its classes. */
  readonly style: string
  readonly points: readonly PlotPoint[]
  /** Whether each point is marked. */
  readonly dots?: boolean
}

/** A place on the plot, 0 to 1 each way. */
export interface PlotPoint {
  readonly x: number
  readonly y: number
}

/** What is drawn. */
export interface Plot {
  readonly title: string
  /** What there is to see, in words, for those who do not see it. */
  readonly description: string
  readonly height: number
  readonly x: readonly PlotTick[]
  readonly y: readonly PlotTick[]
  readonly lines: readonly PlotLine[]
}

const TOP = 18
const BOTTOM = 24
const SPAN = 1000
const EDGE = 0.04

/** The plot as an SVG of a page; `standalone` makes one of it that stands alone. */
export function plotSvg(plot: Plot): string {
  return `<svg class="plot" width="100%" height="${plot.height}" role="img">${plotInside(plot)}</svg>`
}

/** What is inside the SVG. */
export function plotInside({ title, description, height, x, y, lines }: Plot): string {
  const inner = height - TOP - BOTTOM
  const yAt = (share: number): number => TOP + (1 - share) * inner
  const rows = y.map(
    ({ at }) => `<line class="grid" x1="0" x2="100%" y1="${px(yAt(at))}" y2="${px(yAt(at))}"/>`,
  )
  const labels = y.map(
    ({ at, label }) =>
      `<text class="tick haloed" x="0" y="${px(yAt(at) - 4)}">${escapeHtml(label)}</text>`,
  )
  const columns = x.map(
    ({ at, label }) =>
      `<line class="grid" x1="${percent(at)}" x2="${percent(at)}" y1="${px(yAt(0))}" y2="${px(yAt(0) + 4)}"/>` +
      `<text class="tick" x="${percent(at)}" y="${height - 5}" text-anchor="${anchorAt(at)}">${escapeHtml(label)}</text>`,
  )
  const dots = lines.flatMap((line) =>
    line.dots === true
      ? line.points.map(
          (point) =>
            `<circle class="${line.style}" cx="${percent(point.x)}" cy="${px(yAt(point.y))}" r="3"/>`,
        )
      : [],
  )
  return (
    `<title>${escapeHtml(title)}</title><desc>${escapeHtml(description)}</desc>` +
    rows.join('') +
    columns.join('') +
    `<svg x="0" y="${TOP}" width="100%" height="${inner}" viewBox="0 0 ${SPAN} ${inner}" preserveAspectRatio="none" overflow="visible">` +
    `${lines.map((line) => path(line, inner)).join('')}</svg>${dots.join('')}${labels.join('')}`
  )
}

function path({ style, points }: PlotLine, inner: number): string {
  if (points.length < 2) return ''
  const d = points
    .map((point, i) => `${i === 0 ? 'M' : 'L'}${px(point.x * SPAN)} ${px((1 - point.y) * inner)}`)
    .join('')
  return `<path class="line ${style}" d="${d}"/>`
}

function anchorAt(share: number): string {
  return share < EDGE ? 'start' : share > 1 - EDGE ? 'end' : 'middle'
}
