/**
 * A ladder: one line for one cell, the rungs its p50, p95 and p99, beside what physics or the raw
 * engine takes. Places are shares of the width, so that a drawing is as wide as its frame while its
 * text keeps its size.
 */
import { escapeHtml, percent, tickLabel, ticks } from '../html/markup.ts'
import { threeFigures } from '../names.ts'

/** What one line shows, in ms; `null` is left out. */
export interface Rungs {
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  /** The physical limit. */
  readonly limitMs: number | null
  /** The raw engine's p95. */
  readonly rawMs: number | null
  /** What the budget allows at p95. */
  readonly boundMs: number | null
}

/** A scale that several lines share. */
export interface LadderScale {
  readonly mostMs: number
  readonly ticks: readonly number[]
}

/** Height of one line, in pixels. */
export const LINE_HEIGHT = 26
/** Height of the axis above the lines. */
export const AXIS_HEIGHT = 20

const MIDDLE = LINE_HEIGHT / 2
const BAND = 12
const TICKS = 4
const MARGIN = 1.03
const HALF_HEIGHTS = { p50: 9, p95: 6.5, p99: 4 }
/** A label this close to the edge ends there. */
const NEAR_EDGE = 0.92

/** The scale on which all lines fit. */
export function ladderScale(lines: readonly Rungs[]): LadderScale {
  const values = lines.flatMap((line) => Object.values(line).filter((value) => value !== null))
  const mostMs = Math.max(...values, 1e-3) * MARGIN
  return { mostMs, ticks: ticks(mostMs, TICKS).filter((tick) => tick <= mostMs) }
}

/** Labels of the scale: the inside of an SVG `AXIS_HEIGHT` high. */
export function ladderAxis(scale: LadderScale): string {
  return scale.ticks
    .map((tick) => {
      const share = tick / scale.mostMs
      const anchor = share === 0 ? 'start' : share > NEAR_EDGE ? 'end' : 'middle'
      const unit = tick === scale.ticks.at(-1) ? ' ms' : ''
      return `<text class="tick" x="${percent(share)}" y="13" text-anchor="${anchor}">${tickLabel(tick)}${unit}</text>`
    })
    .join('')
}

/** One line: the inside of an SVG `LINE_HEIGHT` high. */
export function ladderLine(line: Rungs, scale: LadderScale): string {
  const at = (valueMs: number): string => percent(Math.min(1, valueMs / scale.mostMs))
  const { p50Ms, p99Ms, p95Ms, limitMs, rawMs, boundMs } = line
  const baseMs = limitMs ?? rawMs ?? 0
  const lastMs = p99Ms ?? p95Ms
  const grid = scale.ticks.map((tick) => vertical('grid', at(tick), MIDDLE))
  const band = (style: string, fromMs: number, toMs: number): string =>
    `<rect class="${style}" x="${at(fromMs)}" y="${MIDDLE - BAND / 2}" ` +
    `width="${percent(Math.max(0, Math.min(1, toMs / scale.mostMs) - fromMs / scale.mostMs))}" height="${BAND}"/>`
  return [
    ...grid,
    boundMs === null || boundMs <= baseMs ? '' : band('allowed', baseMs, boundMs),
    limitMs === null ? '' : band('physics', 0, limitMs),
    p50Ms === null || lastMs === null
      ? ''
      : `<line class="rail" x1="${at(p50Ms)}" x2="${at(lastMs)}" y1="${MIDDLE}" y2="${MIDDLE}"/>`,
    rawMs === null ? '' : vertical('raw', at(rawMs), MIDDLE - 1),
    limitMs === null ? '' : vertical('limit', at(limitMs), MIDDLE - 1),
    ...(['p99', 'p95', 'p50'] as const).map((rung) => {
      const valueMs = line[`${rung}Ms`]
      return valueMs === null ? '' : vertical(`rung ${rung}`, at(valueMs), HALF_HEIGHTS[rung])
    }),
  ].join('')
}

/** A line as an SVG that stands in a table, with its figures in words. */
export function ladderSvg(name: string, line: Rungs, scale: LadderScale): string {
  return (
    `<svg class="ladder" width="100%" height="${LINE_HEIGHT}" role="img">` +
    `<title>${escapeHtml(`${name}: ${inWords(line)}`)}</title>${ladderLine(line, scale)}</svg>`
  )
}

/** The axis as an SVG that stands above the lines. */
export function axisSvg(scale: LadderScale): string {
  return `<svg class="ladder" width="100%" height="${AXIS_HEIGHT}" aria-hidden="true">${ladderAxis(scale)}</svg>`
}

function vertical(style: string, x: string, half: number): string {
  return `<line class="${style}" x1="${x}" x2="${x}" y1="${MIDDLE - half}" y2="${MIDDLE + half}"/>`
}

function inWords(line: Rungs): string {
  const named: readonly (readonly [string, number | null])[] = [
    ['p50', line.p50Ms],
    ['p95', line.p95Ms],
    ['p99', line.p99Ms],
    ['physical limit', line.limitMs],
    ['raw engine p95', line.rawMs],
    ['budget p95', line.boundMs],
  ]
  const known = named.flatMap(([name, valueMs]) =>
    valueMs === null ? [] : [`${name} ${threeFigures(valueMs)} ms`],
  )
  return known.length === 0 ? 'not known' : known.join(', ')
}
