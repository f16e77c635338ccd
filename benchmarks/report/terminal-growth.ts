/** How costs grow, on a terminal: a row a size, a column a line; and rates, a row each. */
import { growthFamilies, type GrowthFamily } from './charts/growth.ts'
import { plainNumber } from './names.ts'
import type { Printer, ReportColumn } from './terminal.ts'
import type { BenchResult } from './result.ts'

const LONGEST_SERIES = 56
/** A series of many points, as memory over time is, is told by so many of them, ends included. */
const MOST_POINTS = 6

const COLUMNS: readonly ReportColumn[] = [
  { title: 'series', align: 'left' },
  { title: 'at', align: 'right' },
  { title: '', align: 'right' },
]

/** Prints every series; nothing where there is none. */
export function printGrowth(
  { terminal, renderTable }: Printer,
  growth: BenchResult['growth'],
): void {
  const families = growthFamilies(growth)
  if (families.length === 0) return
  terminal.heading('Growth and rates')
  const [title = '', ...lines] = renderTable(COLUMNS, families.flatMap(rowsOf))
  terminal.line(terminal.style('dim', `  ${title}`))
  for (const line of lines) terminal.line(`  ${line}`)
  if (families.some(({ lines: all }) => all.some(({ points }) => points.length > MOST_POINTS))) {
    terminal.line(terminal.style('dim', `  Of long series ${MOST_POINTS} points; --json has all.`))
  }
}

function rowsOf({ name, xUnit, yUnit, lines }: GrowthFamily): readonly (readonly string[])[] {
  return lines.flatMap((line) =>
    spread(line.points).map(({ x, y }) => [
      clip(line.name === '' ? name : `${name}: ${line.name}`),
      `${plainNumber(x)} ${xUnit}`,
      `${plainNumber(y)} ${yUnit}`,
    ]),
  )
}

function spread<T>(points: readonly T[]): readonly T[] {
  if (points.length <= MOST_POINTS) return points
  const step = (points.length - 1) / (MOST_POINTS - 1)
  return Array.from({ length: MOST_POINTS }, (_, i) => points[Math.round(i * step)] as T)
}

function clip(text: string): string {
  return text.length <= LONGEST_SERIES ? text : `${text.slice(0, LONGEST_SERIES - 1)}…`
}
