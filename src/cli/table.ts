/** Text tables with aligned columns. */

/** A column's heading and side. */
export interface TableColumn {
  readonly title: string
  readonly align: 'left' | 'right'
}

const GAP = '  '

/** The lines of a table: a heading, then the rows. Cells must be plain text of one line. */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const widths = columns.map((column, i) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[i] ?? ''))),
  )
  const render = (cells: readonly string[]): string =>
    columns
      .map((column, i) => pad(cells[i] ?? '', widths[i] ?? 0, column.align))
      .join(GAP)
      .trimEnd()
  return [render(columns.map((column) => column.title)), ...rows.map(render)]
}

function pad(text: string, width: number, align: TableColumn['align']): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'left' ? text + space : space + text
}

/** Columns on a terminal: marks above a letter take none, East Asian letters two. */
function displayWidth(text: string): number {
  let width = 0
  for (const character of text.normalize('NFC')) {
    if (/\p{Mark}/u.test(character)) continue
    width += WIDE.test(character) ? 2 : 1
  }
  return width
}

const WIDE = /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60]/u
