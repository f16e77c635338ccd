/**
 * What clients do with ranges, each with something that holds of the rows whatever happens: lists whose
 * elements are rows, a queue, a roster of which somebody must be on call and not too many, and slots
 * that are let for a time. `range-checks.ts` looks at what came of them.
 */
import type { ListOrder, ListPredicate, ListQuery } from '../../../src/core/list-query.ts'
import type { RangeGuard, WriteOp } from '../../../src/core/operations.ts'
import type { CompiledTable } from '../../../src/schema/compiled.ts'
import { keyOf, type StoredRow } from '../../../src/sql/select.ts'
import { rangeDigest } from '../../../src/session/range-digest.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import {
  account,
  accounts,
  columnAt,
  insert,
  put,
  remove,
  session as sessionRow,
  sessions,
  update,
  upsert,
} from '../../support/strong-region.ts'
import type { ClientParts } from './client.ts'
import type { ClientHistory } from './history.ts'
import { drawAgain, drawMops, onLists, type Mop } from './mops.ts'
import type { Result } from './session.ts'

/** What `ratio`, a fraction, says a row of accounts is. */
export const KIND = {
  ...{ waiting: 1.5, taken: 2.5, roster: 3.5 },
  lists: { m0: 4.5, m1: 5.5, m2: 6.5 },
} as const
/** Who may be on call, at least one and at most so many of them at once. */
export const ROSTER = ['d0', 'd1', 'd2', 'd3', 'd4']
export const MOST_ON_CALL = 3
/** The tenant of the slots, and how many may be let at once. */
export const SLOT_TENANT = 'beta'
export const MOST_SLOTS = 3

const SLOTS = ['t0', 't1', 't2', 't3', 't4', 't5']
const MAX_LIST = 300
const LISTS = Object.keys(KIND.lists) as (keyof typeof KIND.lists)[]
const [RATIO, BALANCE, TOTAL, ACTIVE] = (['ratio', 'balance', 'total', 'active'] as const).map(
  (name) => columnAt(accounts, name),
) as [number, number, number, number]

/** Accounts of these kinds, by their number. */
function byNumber(
  kinds: readonly number[],
  limit: number,
  direction: 'up' | 'down' = 'up',
): ListQuery {
  const kind = kinds.length === 1 ? equal(RATIO, kinds[0] as number) : oneOf(RATIO, kinds)
  const order: ListOrder = { column: BALANCE, descending: direction === 'down' }
  return { where: [kind], orderBy: [order], limit, after: null }
}

/** Who is on call. */
export const ON_CALL: ListQuery = {
  ...{ where: [equal(RATIO, KIND.roster), equal(ACTIVE, 1)], orderBy: [], limit: 10, after: null },
}
const ALL_SLOTS: ListQuery = { where: [], orderBy: [], limit: 10, after: null }

export class RangeWork {
  readonly #parts: ClientParts
  readonly #history: ClientHistory

  constructor(parts: ClientParts, history: ClientHistory) {
    this.#parts = parts
    this.#history = history
  }

  /** Appends to lists, reads others: write skew between them is a cycle. */
  async list(): Promise<void> {
    const { random, unique } = this.#parts
    const wanted = drawMops(random, LISTS, unique)
    const appends = wanted.some(([f]) => f === 'append')
    const level = appends && random.fraction() < 0.7 ? 'local' : 'strong'
    const result = await this.#runList(level, wanted)
    if (result?.kind !== 'refused' || result.code !== 'CONFLICT') return
    await this.#runList('strong', drawAgain(wanted, unique), result.idempotencyKey)
  }

  async #runList(
    level: 'strong' | 'local',
    wanted: readonly Mop[],
    idempotencyKey?: string,
  ): Promise<Result | undefined> {
    const { session, unique, recorder } = this.#parts
    const keys = [...new Set(wanted.map(([, key]) => key))].toSorted()
    this.#history.invoke('rangeLists', 'txn', null, wanted)
    const queries = keys.map((key) => byNumber([KIND.lists[key as 'm0']], MAX_LIST))
    const found = await session.scan(level, accounts, '', queries)
    if (found === undefined) {
      this.#history.note('rangeLists', 'fail', 'txn', null, wanted)
      return undefined
    }
    const before = new Map<string, number[]>()
    for (const [i, key] of keys.entries()) {
      const rows = found.pages[i] ?? []
      if (rows.length > 0)
        before.set(
          key,
          rows.map(({ image }) => Number(image[TOTAL])),
        )
    }
    const { mops, written } = onLists(wanted, before)
    const ops = Array.from(written, ([key, list]) => {
      const known = before.get(key)?.length ?? 0
      const rows = list.slice(known).map((value, i) =>
        account(`x${unique()}`, {
          ...{ ratio: KIND.lists[key as 'm0'], balance: known + i + 1, total: BigInt(value) },
        }),
      )
      return insert(accounts, ...rows)
    })
    if (ops.length === 0) {
      this.#history.note('rangeLists', 'ok', 'txn', null, mops)
      return undefined
    }
    const reads = queries.map((query, i) => guard(accounts, query, found.pages[i] ?? []))
    const key = idempotencyKey === undefined ? {} : { idempotencyKey }
    const result = await session.commit({ tenant: '', ops, reads, basis: found.index, ...key })
    this.#history.end('rangeLists', 'txn', null, mops, result)
    recorder.count(`ranges.${result.kind === 'refused' ? result.code : result.kind}`)
    return result
  }

  /** Puts a job behind the last one, or takes the first that waits. */
  async queue(): Promise<void> {
    const { random, session, unique, recorder } = this.#parts
    const isPut = random.fraction() < 0.5
    const query = isPut
      ? byNumber([KIND.waiting, KIND.taken], 1, 'down')
      : byNumber([KIND.waiting], 1)
    const level = random.fraction() < 0.5 ? 'local' : 'strong'
    const found = await session.scan(level, accounts, '', [query])
    if (found === undefined) return
    const at = found.pages[0]?.[0]
    const mark = BigInt(unique())
    const id = isPut ? `q${mark}` : String(at?.image[0])
    const number = Number(at?.image[BALANCE] ?? 0) + 1
    const ops = isPut
      ? [insert(accounts, account(id, { ratio: KIND.waiting, balance: number }))]
      : [update(accounts, id, { ratio: put(KIND.taken), total: put(mark) })]
    if (!isPut && at === undefined) return
    const kind = await this.#commit(accounts, '', ops, [query], found)
    if (kind === 'committed') recorder.jobs.push(isPut ? { id } : { id, mark })
  }

  /** Goes on call, or off where somebody else is left: alone, each of two sees the other. */
  async roster(): Promise<void> {
    const { random, session } = this.#parts
    const level = random.fraction() < 0.5 ? 'local' : 'strong'
    const found = await session.scan(level, accounts, '', [ON_CALL])
    if (found === undefined) return
    const onCall = (found.pages[0] ?? []).map(({ image }) => String(image[0]))
    const mayLeave = onCall.length > 1
    const id = random.pick(ROSTER)
    const isOn = onCall.includes(id)
    if (isOn ? !mayLeave : onCall.length >= MOST_ON_CALL) return
    const on = account(id, { ratio: KIND.roster, active: 1 })
    const off = account(id, { ratio: KIND.roster, active: 0 })
    const op = isOn
      ? random.pick([
          update(accounts, id, { active: put(0) }),
          upsert(accounts, off),
          remove(accounts, id),
        ])
      : upsert(accounts, on)
    await this.#commit(accounts, '', [op], [ON_CALL], found)
  }

  /** Takes a slot for a while where one is free, else frees or prolongs one. */
  async slots(): Promise<void> {
    const { random, session, clock } = this.#parts
    const level = random.fraction() < 0.5 ? 'local' : 'strong'
    const found = await session.scan(level, sessions, SLOT_TENANT, [ALL_SLOTS])
    if (found === undefined) return
    const taken = (found.pages[0] ?? []).map(({ image }) => String(image[0]))
    const at = clock.nowMs() + random.below(3_000)
    const free = random.shuffle(SLOTS.filter((id) => !taken.includes(id)))[0] as string
    const old = random.pick(taken.length === 0 ? SLOTS : taken)
    const op =
      taken.length < MOST_SLOTS
        ? random.pick([
            upsert(sessions, sessionRow(free, at)),
            insert(sessions, sessionRow(free, at)),
          ])
        : random.pick([update(sessions, old, { expiresAt: put(at) }), remove(sessions, old)])
    await this.#commit(sessions, SLOT_TENANT, [op], [ALL_SLOTS], found)
  }

  async #commit(
    table: CompiledTable,
    tenant: string,
    ops: readonly WriteOp[],
    queries: readonly ListQuery[],
    found: { readonly index: number; readonly pages: readonly (readonly StoredRow[])[] },
  ): Promise<Result['kind']> {
    const { session, recorder } = this.#parts
    const reads = queries.map((query, i) => guard(table, query, found.pages[i] ?? []))
    const result = await session.commit({ tenant, ops, reads, basis: found.index })
    const { kind } = result
    recorder.count(`ranges.${result.kind === 'refused' ? result.code : kind}`)
    if (kind === 'unknown') await session.refresh()
    return kind
  }
}

/** What a range must still hold. Whoever saw its end also depends on there being no more. */
function guard(table: CompiledTable, query: ListQuery, rows: readonly StoredRow[]): RangeGuard {
  const limit = rows.length === query.limit ? rows.length : rows.length + 1
  const seen = rows.map(({ image, version }) => ({ key: keyOf(table, image), version }))
  return { table: table.id, range: { ...query, limit }, digest: rangeDigest(table, seen) }
}

function equal(column: number, value: SqlValue): ListPredicate {
  return { column, op: '=', values: [value] }
}

function oneOf(column: number, values: readonly SqlValue[]): ListPredicate {
  return { column, op: 'in', values }
}
