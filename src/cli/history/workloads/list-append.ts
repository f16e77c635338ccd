/**
 * Lists: transactions that read lists and append to them (Kingsbury and Alvaro, "Elle: Inferring
 * Isolation Anomalies from Experimental Observations", VLDB 2020). A list is a text of JSON that a
 * transaction reads and updates; every appended element is new, so that a read tells its history.
 */
import { MeridianError } from '../../../core/errors.ts'
import type { SeededRandom } from '../../../core/seeded-random.ts'
import type { HistoryDatabase } from '../schema.ts'
import { allLocalRows } from './all-rows.ts'
import { KeyWindow } from './key-window.ts'
import type { Operation, Workload } from './workload.ts'

/** One operation within a transaction. */
export type MicroOp =
  | readonly ['append', string, number]
  | readonly ['r', string, readonly number[] | null]

/** Uses of a key before another one takes its place: lists stay short. */
const USES_EACH = 48
const KEYS_AT_ONCE = 4
const MOST_MICRO_OPS = 4
const APPEND_SHARE = 0.5
const READ_ONLY_SHARE = 0.3

/** The workload. */
export function listAppendWorkload(): Workload {
  const keys = new KeyWindow('l', KEYS_AT_ONCE, USES_EACH)
  let nextElement = 1
  const microOp = (random: SeededRandom, appends: boolean): MicroOp => {
    const key = keys.pick(random)
    return appends && random.fraction() < APPEND_SHARE
      ? ['append', key, nextElement++]
      : ['r', key, null]
  }
  return {
    prepare: async () => undefined,
    next(random) {
      const isReadOnly = random.fraction() < READ_ONLY_SHARE
      const count = 1 + random.below(MOST_MICRO_OPS)
      const ops = Array.from({ length: count }, () => microOp(random, !isReadOnly))
      return transactionOf(ops)
    },
    finalReads: () => keys.all.map((key) => transactionOf([['r', key, null]])),
    async localState(db) {
      const rows = await allLocalRows((page) => db.lists.list(page))
      return new Map(rows.map(({ id, elements }) => [id, parseList(id, elements)]))
    },
  }
}

function transactionOf(ops: readonly MicroOp[]): Operation {
  const isRead = ops.every(([kind]) => kind === 'r')
  return {
    ...{ f: 'txn', key: null, value: ops, isRead },
    run: async (db, options) => ({
      type: 'ok',
      // What only reads takes a read index; what writes is validated where it is applied.
      value: isRead ? await readLists(db, ops, options) : await runOps(db, ops, options),
    }),
  }
}

type Options = Parameters<Operation['run']>[1]

async function readLists(
  db: HistoryDatabase,
  ops: readonly MicroOp[],
  options: Options,
): Promise<readonly MicroOp[]> {
  const keys = ops.map(([, key]) => key)
  const rows = await db.lists.getMany(keys, { ...options, consistency: 'strong' })
  return keys.map((key, i) => ['r', key, parseList(key, rows[i]?.elements)])
}

function runOps(
  db: HistoryDatabase,
  ops: readonly MicroOp[],
  options: Options,
): Promise<readonly MicroOp[]> {
  return db.transaction(
    'strong',
    async (tx) => {
      const done: MicroOp[] = []
      for (const op of ops) {
        const [kind, key] = op
        const row = await tx.lists.get(key)
        const list = parseList(key, row?.elements)
        if (kind === 'r') {
          done.push(['r', key, list])
          continue
        }
        const elements = JSON.stringify([...(list ?? []), op[2]])
        if (row === undefined) tx.lists.insert({ id: key, elements })
        else tx.lists.update(key, { elements })
        done.push(op)
      }
      return done
    },
    options,
  )
}

/** `null`: there is no such row. @throws MeridianError `INTERNAL`: no client has written this */
function parseList(key: string, text: string | undefined): readonly number[] | null {
  if (text === undefined) return null
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every(Number.isInteger)) return list as readonly number[]
  } catch {
    // The same as another list.
  }
  throw new MeridianError('INTERNAL', `The list ${key} is ${JSON.stringify(text)}.`)
}
