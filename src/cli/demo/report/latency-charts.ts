/** Latencies: one chart a kind of call, one line a pair of regions. */
import type { CellResult } from '../result.ts'
import { escapeHtml, ms, px, tickLabel, ticks } from '../../../../benchmarks/report/html/markup.ts'

const WIDTH = 560
const ROW = 24
const TOP = 26
const BOTTOM = 6
const LABELS = 148
const NUMBERS = 132
const BAR = 8

/** All charts: HTML figures. */
export function latencyCharts(cells: readonly CellResult[]): string {
  const groups = new Map<string, CellResult[]>()
  for (const cell of cells) {
    const name = `${cell.mode}: ${cell.op}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [cell])
    else group.push(cell)
  }
  return [...groups].map(([name, group]) => figure(name, group)).join('')
}

function figure(name: string, cells: readonly CellResult[]): string {
  const [first] = cells
  const fewest = Math.min(...cells.map(({ n }) => n))
  const calls = `${fewest.toLocaleString('en')} calls each`
  return (
    `<figure><figcaption><b>${escapeHtml(first?.op ?? name)}</b> ` +
    `<span class="mode">${escapeHtml(first?.mode ?? '')}</span>` +
    `<span class="n">${calls}</span></figcaption>${chart(name, cells)}</figure>`
  )
}

function chart(name: string, cells: readonly CellResult[]): string {
  const height = TOP + cells.length * ROW + BOTTOM
  const right = WIDTH - NUMBERS
  const most = Math.max(...cells.map((cell) => cell.p99Ms ?? cell.p95Ms ?? cell.p50Ms ?? 0), 0.1)
  const x = (value: number): number => LABELS + (value / most) * (right - LABELS)
  const axis = ticks(most, 4)
    .filter((tick) => tick <= most)
    .map(
      (tick) =>
        `<path class="grid" d="M${px(x(tick))} ${TOP - 4}V${height - BOTTOM}"/>` +
        `<text class="tick" x="${px(x(tick))}" y="${TOP - 9}" text-anchor="middle">${tickLabel(tick)}</text>`,
    )
  const columns = ['p50', 'p95', 'p99'].map(
    (title, i) =>
      `<text class="tick" x="${numberAt(i)}" y="${TOP - 9}" text-anchor="end">${title}</text>`,
  )
  const rows = cells.map((cell, i) => row(cell, TOP + i * ROW + ROW / 2, x))
  return (
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Latency of ${escapeHtml(name)}">` +
    `${axis.join('')}${columns.join('')}${rows.join('')}</svg>`
  )
}

function row(cell: CellResult, y: number, x: (value: number) => number): string {
  const { origin, home, networkMs, p50Ms, p95Ms, p99Ms } = cell
  const way = origin === home ? origin : `${origin} → ${home}`
  const last = p99Ms ?? p95Ms
  const bars =
    p50Ms === null
      ? ''
      : bar('network', x(0), x(Math.min(networkMs, p50Ms)), y) +
        bar('overhead', x(Math.min(networkMs, p50Ms)), x(p50Ms), y) +
        (last === null
          ? ''
          : `<path class="whisker" d="M${px(x(p50Ms))} ${px(y)}H${px(x(last))}"/>`) +
        dot('p95', p95Ms, x, y) +
        dot('p99', p99Ms, x, y) +
        dot('p50', p50Ms, x, y)
  const numbers = [p50Ms, p95Ms, p99Ms].map(
    (value, i) =>
      `<text class="number" x="${numberAt(i)}" y="${px(y + 4)}" text-anchor="end">${ms(value)}</text>`,
  )
  return `<text class="way" x="0" y="${px(y + 4)}">${escapeHtml(way)}</text>${bars}${numbers.join('')}`
}

function numberAt(column: number): string {
  return px(WIDTH - NUMBERS + ((column + 1) * NUMBERS) / 3)
}

function bar(style: string, from: number, to: number, y: number): string {
  if (to - from < 0.05) return ''
  return `<rect class="${style}" x="${px(from)}" y="${px(y - BAR / 2)}" width="${px(to - from)}" height="${BAR}"/>`
}

function dot(style: string, value: number | null, x: (value: number) => number, y: number): string {
  if (value === null) return ''
  return `<circle class="${style}" cx="${px(x(value))}" cy="${px(y)}" r="${style === 'p50' ? 4 : 3}"/>`
}
