/**
 * One node a store: a row in the store names its owner, until when it counts as alive by the
 * server's own clock, and a fence, which grows with every owner and every doubt.
 *
 * A commit runs only while owner and fence are what they were when it was sent. So a node that was
 * taken for dead can no longer write; and a commit whose answer was lost either happened before the
 * next one or never does, however late a network delivers it (Kleppmann, "How to do distributed
 * locking", 2016: fencing tokens).
 */
import { MeridianError } from '../../../core/errors.ts'
import type { Timers } from '../../../core/ports/runtime.ts'
import type { SqlValue } from '../../../core/values.ts'
import { busyError } from '../group-writer.ts'
import type { BatchConnection, BatchStep, StepOutcome } from './batch.ts'
import { failUnless } from './batch-plan.ts'
import { isBusyFailure, storeFailure, unavailable } from './remote-failure.ts'

/** What a lease is taken with. */
export interface LeaseOptions {
  readonly connection: BatchConnection
  readonly url: string
  readonly timers: Timers
  /** Who this is; unique to this opening. */
  readonly owner: string
  /** How long a node that says nothing counts as alive. */
  readonly leaseMs: number
  readonly applicationId: number
  readonly format: number
}

const TABLE = `CREATE TABLE IF NOT EXISTS _store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    application_id INTEGER NOT NULL, format INTEGER NOT NULL,
    owner TEXT, alive_until_ms INTEGER NOT NULL, fence INTEGER NOT NULL
  ) STRICT`
const NOW_MS = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
const RENEWAL = `UPDATE _store SET alive_until_ms = ${NOW_MS} + ? WHERE one = 1 AND owner = ?`
/** How often a lease is looked at while another holds it, and renewed while it is held. */
const LOOKS_PER_LEASE = 6
const RENEWALS_PER_LEASE = 3

interface Holder {
  readonly owner: SqlValue
  readonly aliveUntilMs: number
  readonly fence: number
}

/**
 * Takes the lease. Where another node holds it, waits for a sign of life from that one, at most for
 * as long as its lease runs.
 *
 * @throws MeridianError `STORE_LOCKED` naming a living owner; `STORE_UNAVAILABLE`
 */
export async function takeLease(options: LeaseOptions): Promise<StoreLease> {
  const { owner, timers, leaseMs, url } = options
  let seen: Holder | undefined
  let busyLooks = 0
  for (;;) {
    const holder = await tryTake(options)
    if (holder?.owner === owner) return new StoreLease(options, holder.fence)
    if (holder !== undefined) {
      const isAlive = seen !== undefined && seen.aliveUntilMs !== holder.aliveUntilMs
      if (isAlive) throw locked(url, holder.owner)
      seen = holder
    } else if (++busyLooks > LOOKS_PER_LEASE) throw busyError(url)
    await new Promise<void>((resolve) => {
      timers.after(leaseMs / LOOKS_PER_LEASE, resolve)
    })
  }
}

/** A lease that is held. */
export class StoreLease {
  readonly #options: LeaseOptions
  #fence: number
  /** Whether the row holds the fence. */
  #isCertain = true

  constructor(options: LeaseOptions, fence: number) {
    this.#options = options
    this.#fence = fence
  }

  /** How often it must be renewed. */
  get renewalMs(): number {
    return this.#options.leaseMs / RENEWALS_PER_LEASE
  }

  /** A step that fails where this node no longer owns the store. */
  get check(): BatchStep {
    return {
      sql: failUnless('EXISTS (SELECT 1 FROM _store WHERE one = 1 AND owner = ? AND fence = ?)'),
      args: [this.#options.owner, BigInt(this.#fence)],
    }
  }

  /** Statement that shows that this node lives. */
  get renewal(): BatchStep {
    return { sql: RENEWAL, args: [BigInt(this.#options.leaseMs), this.#options.owner] }
  }

  /** A renewal changes nothing that anyone waits for. */
  isRenewal(sql: string | undefined): boolean {
    return sql === RENEWAL
  }

  /** A commit's answer was lost: it must not happen after the next one. */
  doubt(): void {
    this.#fence++
    this.#isCertain = false
  }

  /** Makes sure that what was in doubt happened or never will. @throws as a batch */
  async settle(): Promise<void> {
    if (this.#isCertain) return
    const { connection, owner, url } = this.#options
    const fence = this.#fence
    const steps: BatchStep[] = [
      {
        sql: 'UPDATE _store SET fence = ? WHERE one = 1 AND owner = ? AND fence < ?',
        args: [BigInt(fence), owner, BigInt(fence)],
      },
      { ...this.check, when: { ok: 0 } },
    ]
    let outcomes: readonly StepOutcome[]
    try {
      outcomes = await connection.batch(steps, false)
    } catch (error) {
      // It may have been set, or be set late: the next one is above it.
      this.#fence++
      throw error
    }
    const [updated, checked] = outcomes
    if (updated?.ok === false) throw stepError(updated, url)
    if (checked?.ok !== true) throw locked(url, null)
    this.#isCertain = true
  }

  /** The failure of a commit that the check stopped. */
  lost(): MeridianError {
    return locked(this.#options.url, null)
  }

  /** Gives the lease back; where that fails it runs out by itself. */
  async release(): Promise<void> {
    const { connection, owner } = this.#options
    const sql = 'UPDATE _store SET owner = NULL, alive_until_ms = 0 WHERE one = 1 AND owner = ?'
    await connection.batch([{ sql, args: [owner] }], false).catch(() => undefined)
  }
}

/** The holder after the attempt; `undefined`: the database was busy. */
async function tryTake(options: LeaseOptions): Promise<Holder | undefined> {
  const { connection, owner, url } = options
  const statements: readonly Pick<BatchStep, 'sql' | 'args'>[] = [
    { sql: 'BEGIN IMMEDIATE', args: [] },
    { sql: TABLE, args: [] },
    {
      sql: 'INSERT OR IGNORE INTO _store VALUES (1, ?, ?, NULL, 0, 0)',
      args: [BigInt(options.applicationId), BigInt(options.format)],
    },
    {
      sql: `UPDATE _store SET owner = ?, alive_until_ms = ${NOW_MS} + ?, fence = fence + 1
        WHERE one = 1 AND (owner IS NULL OR alive_until_ms < ${NOW_MS})`,
      args: [owner, BigInt(options.leaseMs)],
    },
    { sql: 'SELECT owner, alive_until_ms, fence FROM _store WHERE one = 1', args: [] },
    { sql: 'COMMIT', args: [] },
  ]
  const steps = statements.map((statement, i): BatchStep =>
    i === 0 ? statement : { ...statement, when: { ok: i - 1 } },
  )
  const outcomes = await connection.batch(steps, false)
  const failed = outcomes.find((outcome) => outcome?.ok === false)
  if (failed?.ok === false) {
    if (isBusyFailure(failed.failure)) return undefined
    throw stepError(failed, url)
  }
  const held = outcomes[4]
  const [row] = held?.ok === true ? held.rows : []
  if (row === undefined) throw unavailable(url, 'did not run what it was sent', 'safe')
  return { owner: row[0] ?? null, aliveUntilMs: Number(row[1]), fence: Number(row[2]) }
}

function stepError(outcome: Extract<StepOutcome, { ok: false }>, url: string): Error {
  const { failure } = outcome
  return storeFailure(failure, url) ?? unavailable(url, 'refused the lease', 'never', failure)
}

function locked(url: string, owner: SqlValue): MeridianError {
  const who = owner === null ? 'another node' : String(owner)
  return new MeridianError('STORE_LOCKED', `Store ${url} is open elsewhere: by ${who}.`, {
    fix: 'Close the other node, or give this one a store of its own; then open it again.',
    details: { url, owner: who },
  })
}
