/** Drawings as files of their own, for documents: they carry their colors, light and dark. */
import { escapeHtml, px } from '../html/markup.ts'
import { threeFigures, times } from '../names.ts'
import { CHART_STYLE, colorVariables } from './colors.ts'
import {
  AXIS_HEIGHT,
  LINE_HEIGHT,
  ladderAxis,
  ladderLine,
  ladderScale,
  type Rungs,
} from './ladder.ts'
import { plotInside, type Plot } from './plot.ts'

/** A line of a ladder that is labelled. */
export interface NamedRungs {
  readonly name: string
  readonly rungs: Rungs
  /** What p95 is a multiple of its limit; `null` is left out. */
  readonly ratio: number | null
}

const WIDTH = 760
const PADDING = 20
const TITLE = 30
const NAMES = 176
const NUMBERS = 224
const COLUMN = 54
const LEGEND_COLUMNS = 4
const LEGEND_ROW = 20
const PLOT_WIDTH = WIDTH - 2 * PADDING - NAMES - NUMBERS - 16

/** Ladders with their names and figures. */
export function ladderFile(title: string, lines: readonly NamedRungs[]): string {
  const scale = ladderScale(lines.map(({ rungs }) => rungs))
  const top = PADDING + TITLE + AXIS_HEIGHT
  const rows = lines.map(({ name, rungs, ratio }, i) => {
    const y = top + i * LINE_HEIGHT
    const { p50Ms, p95Ms, p99Ms } = rungs
    const figures = [p50Ms, p95Ms, p99Ms].map((ms) => (ms === null ? '–' : threeFigures(ms)))
    const numbers = [...figures, ratio === null ? '' : times(ratio)].map((text, column) =>
      label(text, columnAt(column), y + LINE_HEIGHT / 2 + 4.5, 'end'),
    )
    return (
      label(name, PADDING, y + LINE_HEIGHT / 2 + 4.5) +
      nested(PADDING + NAMES, y, PLOT_WIDTH, LINE_HEIGHT, ladderLine(rungs, scale)) +
      numbers.join('')
    )
  })
  const heads = ['p50', 'p95', 'p99', '× limit'].map((text, column) =>
    label(text, columnAt(column), top - 7, 'end', 'tick'),
  )
  const axis = nested(
    PADDING + NAMES,
    top - AXIS_HEIGHT,
    PLOT_WIDTH,
    AXIS_HEIGHT,
    ladderAxis(scale),
  )
  const described = lines.map(({ name, rungs }) => {
    const at = (ms: number | null): string => (ms === null ? 'not known' : `${threeFigures(ms)} ms`)
    return `${name}: p50 ${at(rungs.p50Ms)}, p95 ${at(rungs.p95Ms)}, limit ${at(rungs.limitMs)}`
  })
  const inside = `<title>${escapeHtml(title)}</title><desc>${escapeHtml(described.join('; '))}</desc>`
  return file(
    top + lines.length * LINE_HEIGHT + PADDING,
    title,
    `${inside}${axis}${heads.join('')}${rows.join('')}`,
  )
}

/** What a line's colour stands for. */
export interface LegendEntry {
  readonly name: string
  /** The class of the line. */
  readonly style: string
}

/** A plot with its title and what its colors stand for. */
export function plotFile(plot: Plot, legend: readonly LegendEntry[]): string {
  const signs = legend.length < 2 ? { inside: '', height: 0 } : legendSigns(legend)
  const top = PADDING + TITLE + signs.height
  const inside = nested(PADDING, top, WIDTH - 2 * PADDING, plot.height, plotInside(plot))
  return file(top + plot.height + PADDING, plot.title, signs.inside + inside)
}

function legendSigns(legend: readonly LegendEntry[]): {
  readonly inside: string
  readonly height: number
} {
  const rows = Math.ceil(legend.length / LEGEND_COLUMNS)
  const inside = legend.map(({ name, style }, i) => {
    const x = PADDING + (i % LEGEND_COLUMNS) * ((WIDTH - 2 * PADDING) / LEGEND_COLUMNS)
    const y = PADDING + TITLE + Math.floor(i / LEGEND_COLUMNS) * LEGEND_ROW
    const sign = `<rect class="${style}" x="${px(x)}" y="${px(y)}" width="10" height="10" rx="2"/>`
    return sign + label(name, x + 17, y + 9.5)
  })
  return { inside: inside.join(''), height: rows * LEGEND_ROW + 6 }
}

function file(height: number, title: string, inside: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${px(height)}" viewBox="0 0 ${WIDTH} ${px(height)}" role="img">\n` +
    `<style>${colorVariables(':root')}${CHART_STYLE}.paper { fill: var(--paper) } svg text.haloed { stroke: var(--paper) } text.heading { font-weight: 600; font-size: 15px }</style>\n` +
    `<rect class="paper" width="100%" height="100%" rx="8"/>` +
    `<text class="heading" x="${PADDING}" y="${PADDING + 12}">${escapeHtml(title)}</text>\n${inside}\n</svg>\n`
  )
}

function nested(x: number, y: number, width: number, height: number, inside: string): string {
  return `<svg x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}">${inside}</svg>`
}

function columnAt(column: number): number {
  return WIDTH - PADDING - (3 - column) * COLUMN - (column < 3 ? 8 : 0)
}

function label(text: string, x: number, y: number, anchor = 'start', style = 'name'): string {
  return `<text class="${style}" x="${px(x)}" y="${px(y)}" text-anchor="${anchor}">${escapeHtml(text)}</text>`
}
