/** Who calls: in each region several, each with a session of its own, as users have. */
import type { ClientSession, Receipt } from '../../src/client/index.ts'
import type { CallReport } from '../measure/loop.ts'
import type { BenchContext } from '../step.ts'
import type { BenchDatabase } from './schema.ts'

/**
 * In one session for all, every read would wait for the latest write of any caller. Twenty, as many
 * as a service has requests under way.
 */
const CALLERS = 20

/** What a transaction takes that reads once and meets no conflict: a read and a commit. */
export const TRANSACTION_REQUESTS = 2

/** One caller. */
export interface Caller {
  readonly db: BenchDatabase
  readonly region: string
  /** From 0, within its region. */
  readonly number: number
  readonly session: ClientSession
}

/** The callers in a region, and which of them makes a call. */
export interface Callers {
  readonly all: readonly Caller[]
  /** The caller of the call with this index: one after the other. */
  of(index: number): Caller
}

/** Callers in a region, with new sessions. */
export function callersIn(context: BenchContext, region: string): Callers {
  const db = context.client(region)
  const all = Array.from({ length: CALLERS }, (_, number): Caller => ({
    db,
    region,
    number,
    session: db.session(),
  }))
  return { all, of: (index) => all[index % all.length] as Caller }
}

/** What a read tells of itself. */
export function readReport({ level, stalenessMs, requests }: Receipt): CallReport {
  return { level, stalenessMs, attempts: requests }
}

/** What a write tells of itself. */
export function writeReport({ requests }: Receipt): CallReport {
  return { attempts: requests }
}
