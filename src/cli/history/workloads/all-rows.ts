/** All rows that a region holds itself. */

interface PageOf<Row> {
  readonly rows: readonly Row[]
  readonly cursor: string | null
}

/** Options of each page: whatever the region holds, without asking anybody else. */
interface LocalPage {
  readonly consistency: 'stale'
  readonly limit: number
  readonly cursor?: string
}

const PAGE_ROWS = 1_000

/** Pages through a list to its end. */
export async function allLocalRows<Row>(
  list: (page: LocalPage) => Promise<PageOf<Row>>,
): Promise<readonly Row[]> {
  const rows: Row[] = []
  let cursor: string | null = null
  do {
    const page: PageOf<Row> = await list({
      consistency: 'stale',
      limit: PAGE_ROWS,
      ...(cursor === null ? {} : { cursor }),
    })
    rows.push(...page.rows)
    cursor = page.cursor
  } while (cursor !== null)
  return rows
}
