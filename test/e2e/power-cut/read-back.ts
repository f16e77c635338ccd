/** Reads all that a region holds, through its node. */
import { MeridianError } from '../../../src/client/index.ts'
import { TENANT } from './deployment.ts'
import type { Mode, Note } from './journal.ts'
import type { NotesDatabase } from './schema.ts'
import type { Found } from './verdict.ts'

const PAGE_ROWS = 1_000
const DEADLINE_MS = 30_000

interface Page {
  readonly rows: readonly Note[]
  readonly cursor: string | null
}

type Level = 'strong' | 'session' | 'stale'

interface Options {
  readonly deadlineMs: number
  readonly consistency: Level
  readonly limit: number
  readonly cursor?: string
}

/** How a mode is read. */
interface ModeTables {
  readonly page: (options: Options) => Promise<Page>
  readonly sum: (options: Options) => Promise<{ readonly writes: number } | undefined>
}

/** The rows of a mode; where strong reads are refused, those that the region still shows. */
export async function readBack(db: NotesDatabase, mode: Mode): Promise<Found> {
  // Eventual tables have no stronger level; there is one region, so it is the same.
  if (mode === 'eventual') return readAll(db, mode, 'session')
  const found = await readAll(db, mode, 'strong')
  if (found.refusal === undefined) return found
  return { ...(await readAll(db, mode, 'stale')), refusal: found.refusal }
}

async function readAll(db: NotesDatabase, mode: Mode, consistency: Level): Promise<Found> {
  const { page, sum } = tablesOf(db, mode)
  const options = { deadlineMs: DEADLINE_MS, consistency, limit: PAGE_ROWS }
  const notes: Note[] = []
  try {
    let cursor: string | null = null
    do {
      const next: Page = await page({ ...options, ...(cursor === null ? {} : { cursor }) })
      notes.push(...next.rows)
      cursor = next.cursor
    } while (cursor !== null)
    const { writes = 0 } = (await sum(options)) ?? {}
    return { notes, sum: writes }
  } catch (error) {
    // An argument that is refused is a mistake of the rig.
    if (!(error instanceof MeridianError) || error.code === 'INVALID_ARGUMENT') throw error
    return { notes: [], sum: 0, refusal: `${error.code}: ${error.message}` }
  }
}

function tablesOf(db: NotesDatabase, mode: Mode): ModeTables {
  const there = db.tenant(TENANT)
  const tables = {
    strong: [db.strongNotes, db.strongSums],
    pinned: [there.pinnedNotes, there.pinnedSums],
    eventual: [there.eventualNotes, there.eventualSums],
  } as const
  const [notes, sums] = tables[mode]
  return {
    page: (options) => notes.list(options),
    sum: ({ deadlineMs, consistency }) => sums.get('all', { deadlineMs, consistency }),
  }
}
