/** The map: every city a dot, in the colour of its home region, and the way between the regions. */
import { oneWayMs, regionPairs } from '../../../config/topology.ts'
import type { GridDot } from '../city-grid.ts'
import type { DemoResult } from '../result.ts'
import { escapeHtml, px, tickLabel } from '../../../../benchmarks/report/html/markup.ts'

const WIDTH = 960
const HEIGHT = 430
/** Nobody lives beyond. */
const NORTH = 76
const SOUTH = -57

const PLACES: Readonly<Record<string, Place>> = {
  'us-east': { latitude: 38.9, longitude: -77.4, label: 'left' },
  'eu-west': { latitude: 53.3, longitude: -6.3, label: 'above' },
  'ap-south': { latitude: 19.1, longitude: 72.9, label: 'right' },
}

interface Place {
  readonly latitude: number
  readonly longitude: number
  /** Where its name stands clear of the lines. */
  readonly label: 'left' | 'right' | 'above'
}

interface Point {
  readonly x: number
  readonly y: number
}

/** The map as SVG. */
export function worldMap({ topology, leader }: DemoResult, dots: readonly GridDot[]): string {
  const { regions } = topology
  const land = regions.map((region) => {
    const path = dots
      .filter(({ home, latitude }) => home === region && latitude > SOUTH && latitude < NORTH)
      .map(project)
      .map(({ x, y }) => `M${px(x)} ${px(y)}h0`)
      .join('')
    return `<path class="land ${region}" d="${path}"/>`
  })
  const links = regionPairs(regions).map(([a, b]) => link(a, b, oneWayMs(topology, a, b)))
  const places = regions.map((region) => place(region, region === leader))
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="The regions and the delays between them">` +
    `${land.join('')}${links.join('')}${places.join('')}</svg>`
  )
}

function link(from: string, to: string, delayMs: number): string {
  const a = pointOf(from)
  const b = pointOf(to)
  const distance = Math.hypot(b.x - a.x, b.y - a.y)
  const [left, right] = a.x < b.x ? [a, b] : [b, a]
  // The longest way bends to the south, clear of the other two.
  const bend = distance > WIDTH / 3 ? distance * 0.28 : -distance * 0.22
  const control = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 + bend }
  const middle = {
    x: (left.x + 2 * control.x + right.x) / 4,
    y: (left.y + 2 * control.y + right.y) / 4,
  }
  const path = `M${px(left.x)} ${px(left.y)}Q${px(control.x)} ${px(control.y)} ${px(right.x)} ${px(right.y)}`
  const label = `${tickLabel(delayMs)} ms`
  return `<path class="link" d="${path}"/>${badge(middle, label)}`
}

function badge({ x, y }: Point, text: string): string {
  const width = text.length * 7.2 + 14
  return (
    `<rect class="badge" x="${px(x - width / 2)}" y="${px(y - 11)}" width="${px(width)}" height="22" rx="11"/>` +
    `<text class="delay" x="${px(x)}" y="${px(y + 4.5)}" text-anchor="middle">${escapeHtml(text)}</text>`
  )
}

function place(region: string, isLeader: boolean): string {
  const { x, y } = pointOf(region)
  const label = PLACES[region]?.label ?? 'above'
  const side = { left: -1, above: 0, right: 1 }[label]
  const anchor = { left: 'end', above: 'middle', right: 'start' }[label]
  const lift = label === 'above' ? 26 : isLeader ? 8 : 0
  const text = (dy: number, style: string, content: string): string =>
    `<text class="${style}" x="${px(x + side * 13)}" y="${px(y + dy - lift)}" text-anchor="${anchor}">${content}</text>`
  return (
    `<circle class="place ${region}" cx="${px(x)}" cy="${px(y)}" r="7"/>` +
    text(label === 'above' && !isLeader ? 14 : 0, 'region', escapeHtml(region)) +
    (isLeader ? text(14, 'leader', 'leads the commit log') : '')
  )
}

function pointOf(region: string): Point {
  return project(PLACES[region] ?? { latitude: 0, longitude: 0 })
}

function project({ latitude, longitude }: Pick<Place, 'latitude' | 'longitude'>): Point {
  return {
    x: ((longitude + 180) / 360) * WIDTH,
    y: ((NORTH - latitude) / (NORTH - SOUTH)) * HEIGHT,
  }
}
