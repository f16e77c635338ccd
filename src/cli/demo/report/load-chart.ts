/** The load over time: rows acknowledged, and rows that every region and view held. */
import type { LoadPoint, LoadResult } from '../result.ts'
import { px, tickLabel, ticks } from '../../../../benchmarks/report/html/markup.ts'

const WIDTH = 960
const HEIGHT = 300
const LEFT = 56
const RIGHT = 24
const TOP = 14
const BOTTOM = 34

/** The chart as SVG. */
export function loadChart({ rows, settledMs, curve }: LoadResult): string {
  const seconds = ticks(settledMs / 1000, 8)
  const counts = ticks(rows, 5)
  const mostSeconds = Math.max(settledMs / 1000, 1e-3)
  const mostRows = counts.at(-1) ?? rows
  const x = (atSeconds: number): number => LEFT + (atSeconds / mostSeconds) * (WIDTH - LEFT - RIGHT)
  const y = (count: number): number =>
    HEIGHT - BOTTOM - (count / mostRows) * (HEIGHT - TOP - BOTTOM)
  const line = (of: (point: LoadPoint) => number): string =>
    curve
      .map((point, i) => `${i === 0 ? 'M' : 'L'}${px(x(point.atMs / 1000))} ${px(y(of(point)))}`)
      .join('')
  const grid = counts.map(
    (count) =>
      `<path class="grid" d="M${LEFT} ${px(y(count))}H${WIDTH - RIGHT}"/>` +
      `<text class="tick" x="${LEFT - 8}" y="${px(y(count) + 4)}" text-anchor="end">${tickLabel(count)}</text>`,
  )
  const axis = seconds
    .filter((second) => second <= mostSeconds)
    .map(
      (second) =>
        `<text class="tick" x="${px(x(second))}" y="${HEIGHT - 12}" text-anchor="middle">${tickLabel(second)} s</text>`,
    )
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Rows loaded over time">` +
    `${grid.join('')}${axis.join('')}` +
    `<path class="curve acknowledged" d="${line((point) => point.acknowledged)}"/>` +
    `<path class="curve everywhere" d="${line((point) => point.everywhere)}"/></svg>`
  )
}
