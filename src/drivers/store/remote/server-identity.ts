/** Whether the database behind a server is a store that this version may open, and how durable. */
import { MeridianError } from '../../../core/errors.ts'
import type { SqlValue } from '../../../core/values.ts'
import type { FileIdentity } from '../file-identity.ts'
import type { BatchConnection, BatchStep, StepOutcome } from './batch.ts'
import { storeFailure, unavailable } from './remote-failure.ts'

/** What was found out about a server. */
export interface ServerFacts {
  /** `normal`: a commit survives the end of the server's process, not a power cut. */
  readonly durability: 'full' | 'normal'
  /** Whether it runs `ANALYZE`. */
  readonly takesStatistics: boolean
}

const SYNCHRONOUS_FULL = 2

const LOOK: readonly BatchStep[] = [
  'PRAGMA synchronous',
  'PRAGMA application_id',
  'PRAGMA user_version',
  `SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT LIKE 'libsql\\_%' ESCAPE '\\'`,
  `SELECT count(*) FROM sqlite_schema WHERE name = '_store'`,
].map((sql) => ({ sql, args: [] }))
/** A server refuses to set the pragmas that mark a file: a row does it instead. */
const MARK: BatchStep = { sql: 'SELECT application_id, format FROM _store', args: [] }

/**
 * Looks at the database without writing.
 *
 * @throws MeridianError `STORE_FOREIGN`, `STORE_NEWER`, `STORE_UNAVAILABLE`, `UNAUTHENTICATED`
 */
export async function inspectServer(
  connection: BatchConnection,
  url: string,
  expected: FileIdentity,
): Promise<ServerFacts> {
  const outcomes = await connection.batch(LOOK, false)
  const [synchronous, ...marks] = outcomes.map((outcome) => Number(firstValue(outcome, url)))
  const [applicationId = 0, version = 0, objects = 0, marked = 0] = marks
  const row = marked > 0 ? (await connection.batch([MARK], false)).map(rowOf)[0] : undefined
  const found = row ?? [applicationId, version]
  if (objects > 0) checkIdentity(Number(found[0]), Number(found[1]), url, expected)
  const [statistics] = await connection.describe(['ANALYZE'])
  return {
    durability: Number(synchronous) >= SYNCHRONOUS_FULL ? 'full' : 'normal',
    takesStatistics: statistics === undefined,
  }
}

function checkIdentity(
  applicationId: number,
  format: number,
  url: string,
  expected: FileIdentity,
): void {
  if (applicationId !== expected.applicationId) {
    throw new MeridianError(
      'STORE_FOREIGN',
      `The server ${url} has another application's database (id ${applicationId}).`,
      { fix: 'Name another server for the store.', details: { url, applicationId } },
    )
  }
  if (format > expected.format) {
    throw new MeridianError(
      'STORE_NEWER',
      `Store ${url} has format ${format}; this version reads up to ${expected.format}.`,
      { fix: 'Run a newer version of Meridian.', details: { url, format } },
    )
  }
}

function firstValue(outcome: StepOutcome, url: string): SqlValue {
  if (outcome?.ok === true) return rowOf(outcome)?.[0] ?? null
  const typed = outcome === undefined ? undefined : storeFailure(outcome.failure, url)
  throw typed ?? unavailable(url, 'did not tell about its database', 'never', outcome?.failure)
}

function rowOf(outcome: StepOutcome): readonly SqlValue[] | undefined {
  return outcome?.ok === true ? outcome.rows[0] : undefined
}
