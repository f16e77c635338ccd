/** Pieces of HTML and SVG that all reports use. */

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A coordinate: a tenth of a pixel is enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** A place on a drawing as wide as its frame, 0 to 1. */
export function percent(share: number): string {
  return `${Math.round(share * 1e4) / 1e2}%`
}

/** A number with separators. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Milliseconds as people read them; `null`: too few calls. */
export function ms(value: number | null): string {
  if (value === null) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** Round numbers from 0 to at least `most`, about `count` of them. */
export function ticks(most: number, count: number): readonly number[] {
  if (!(most > 0)) return [0, 1]
  const rough = most / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step)
}

/** A tick's label, without the noise of binary fractions. */
export function tickLabel(value: number): string {
  if (value >= 1000 && value % 1000 === 0) return `${whole(value / 1000)}k`
  return String(Number(value.toPrecision(6)))
}

/** A column of an HTML table. */
export interface HtmlColumn {
  readonly title: string
  /** A style of its cells: `number` aligns to the right. */
  readonly style?: string
}

/**
 * A table with headings of columns and rows, that scrolls sideways by itself where it is wider than
 * the page. Titles and the caption are text; cells are HTML.
 */
export function htmlTable(
  caption: string,
  columns: readonly HtmlColumn[],
  rows: readonly (readonly string[])[],
): string {
  const head = columns.map(
    ({ title, style }) => `<th scope="col"${styled(style)}>${escapeHtml(title)}</th>`,
  )
  const body = rows.map((cells) => {
    const [first = '', ...rest] = cells
    const others = rest.map((cell, i) => `<td${styled(columns[i + 1]?.style)}>${cell}</td>`)
    return `<tr><th scope="row"${styled(columns[0]?.style)}>${first}</th>${others.join('')}</tr>`
  })
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table>` +
    `<caption>${escapeHtml(caption)}</caption>` +
    `<thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
  )
}

function styled(style: string | undefined): string {
  return style === undefined ? '' : ` class="${style}"`
}
