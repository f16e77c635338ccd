/** What stands before a step: tenants and rows; and how a step looks at tables afterwards. */
import { isErrorCode } from '../../src/core/errors.ts'
import { forEachConcurrently, throwIfInterrupted } from '../concurrency.ts'
import type { BenchContext } from '../step.ts'

const ROWS_AT_ONCE = 100
const PAGE_ROWS = 1000
const TENANTS_AT_ONCE = 32

let runs = 0

/** A name that no other step has, of this run or of one before it in the same tables. */
export function freshName(step: string): string {
  return `${step.replaceAll(' ', '-')}-${Date.now().toString(36)}${(runs++).toString(36)}`
}

/** Tenants by id and home. */
export interface TenantPlace {
  readonly id: string
  readonly home: string
}

/**
 * Creates the tenants that are not there, each from its home.
 *
 * @throws MeridianError `TENANT_EXISTS` where one is at home elsewhere
 */
export async function ensureTenants(
  context: BenchContext,
  tenants: readonly TenantPlace[],
): Promise<void> {
  await forEachConcurrently(tenants, TENANTS_AT_ONCE, context.signal, async ({ id, home }) => {
    const db = context.client(home)
    try {
      await db.tenants.create({ id, home })
    } catch (error) {
      if (!isErrorCode(error, 'TENANT_EXISTS')) throw error
      const found = await db.tenants.get(id, { consistency: 'strong' })
      if (found?.home !== home) throw error
    }
  })
}

/** A table, as far as loading needs it. */
interface Insertable<Row> {
  insertMany(rows: readonly Row[]): Promise<unknown>
}

/** Inserts rows, in transactions that every mode takes. */
export async function loadRows<Row>(
  context: BenchContext,
  what: string,
  table: Insertable<Row>,
  rows: readonly Row[],
): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    throwIfInterrupted(context.signal)
    await table.insertMany(rows.slice(at, at + ROWS_AT_ONCE))
    const loaded = Math.min(at + ROWS_AT_ONCE, rows.length)
    context.note(`${what}: ${loaded} of ${rows.length} rows are loaded`)
  }
}

/** One page of a list. */
interface PageOf<Row> {
  readonly rows: readonly Row[]
  readonly cursor: string | null
}

/** All rows of a list, page by page; `list` asks for a page behind a cursor. */
export async function allRows<Row>(
  list: (page: { readonly limit: number; readonly cursor?: string }) => Promise<PageOf<Row>>,
): Promise<readonly Row[]> {
  const rows: Row[] = []
  let page = await list({ limit: PAGE_ROWS })
  for (;;) {
    rows.push(...page.rows)
    if (page.cursor === null) return rows
    page = await list({ limit: PAGE_ROWS, cursor: page.cursor })
  }
}

/** Bounds of the ids that begin with a name and a colon. */
export function idsOf(name: string): { readonly gte: string; readonly lt: string } {
  // The character behind the colon.
  return { gte: `${name}:`, lt: `${name};` }
}
