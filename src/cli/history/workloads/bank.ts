/**
 * Accounts: transfers, of which half read and write in a transaction and half are two guarded
 * commutative operations, and reads of all balances. The total never changes, and no balance is
 * below 0.
 */
import { increment } from '../../../client/index.ts'
import type { SeededRandom } from '../../../core/seeded-random.ts'
import type { HistoryDatabase } from '../schema.ts'
import { allLocalRows } from './all-rows.ts'
import type { Operation, Workload } from './workload.ts'

/** The value of a transfer. */
interface Transfer {
  readonly from: string
  readonly to: string
  readonly amount: number
}

const ACCOUNTS: readonly string[] = Array.from({ length: 8 }, (_, i) => `account-${i}`)
const FIRST_BALANCE = 20
/** Some transfers find too little. */
const MOST_AMOUNT = 8
const READ_SHARE = 0.35
const TRANSACTIONAL_SHARE = 0.5

type Options = Parameters<Operation['run']>[1]
type Balances = Readonly<Record<string, number>>

/** The workload. */
export function bankWorkload(): Workload {
  return {
    async prepare(db) {
      await db.accounts.insertMany(ACCOUNTS.map((id) => ({ id, balance: FIRST_BALANCE })))
    },
    next(random) {
      const isTransactional = random.fraction() < TRANSACTIONAL_SHARE
      if (random.fraction() < READ_SHARE) {
        return readOf(isTransactional ? readInTransaction : readAtOnce)
      }
      return transferOf(drawTransfer(random), isTransactional ? checkAndMove : moveGuarded)
    },
    finalReads: () => [readOf(readAtOnce)],
    async localState(db) {
      const rows = await allLocalRows((page) => db.accounts.list(page))
      return new Map(rows.map(({ id, balance }) => [id, balance]))
    },
  }
}

function drawTransfer(random: SeededRandom): Transfer {
  const from = random.below(ACCOUNTS.length)
  const to = (from + 1 + random.below(ACCOUNTS.length - 1)) % ACCOUNTS.length
  const name = (at: number): string => ACCOUNTS[at] as string
  return { from: name(from), to: name(to), amount: 1 + random.below(MOST_AMOUNT) }
}

function readOf(read: (db: HistoryDatabase, options: Options) => Promise<Balances>): Operation {
  return {
    ...{ f: 'read', key: null, value: null, isRead: true },
    run: async (db, options) => ({ type: 'ok', value: await read(db, options) }),
  }
}

type Rows = readonly ({ readonly id: string; readonly balance: number } | undefined)[]

async function readAtOnce(db: HistoryDatabase, options: Options): Promise<Balances> {
  return balancesOf(await db.accounts.getMany(ACCOUNTS, { ...options, consistency: 'strong' }))
}

function readInTransaction(db: HistoryDatabase, options: Options): Promise<Balances> {
  return db.transaction(
    'strong',
    async (tx) => balancesOf(await tx.accounts.getMany(ACCOUNTS)),
    options,
  )
}

function balancesOf(rows: Rows): Balances {
  return Object.fromEntries(
    rows.flatMap((row) => (row === undefined ? [] : [[row.id, row.balance]])),
  )
}

/** Resolves to whether the money was there. */
type Move = (db: HistoryDatabase, transfer: Transfer, options: Options) => Promise<boolean>

function transferOf(transfer: Transfer, move: Move): Operation {
  return {
    ...{ f: 'transfer', key: null, value: transfer, isRead: false },
    async run(db, options) {
      const isMoved = await move(db, transfer, options)
      return { type: isMoved ? 'ok' : 'fail', value: transfer }
    },
  }
}

const checkAndMove: Move = (db, { from, to, amount }, options) =>
  db.transaction(
    'strong',
    async (tx) => {
      const [source, target] = await tx.accounts.getMany([from, to])
      if (source === undefined || target === undefined || source.balance < amount) return false
      tx.accounts.update(from, { balance: source.balance - amount })
      tx.accounts.update(to, { balance: target.balance + amount })
      return true
    },
    options,
  )

/** Fails with `CONDITION_FAILED` where the money is not there. */
const moveGuarded: Move = (db, { from, to, amount }, options) =>
  db.transaction(
    'strong',
    (tx) => {
      const guard = { if: { balance: { gte: amount } } }
      tx.accounts.update(from, { balance: increment(-amount) }, guard)
      tx.accounts.update(to, { balance: increment(amount) })
      return true
    },
    options,
  )
