/** What clients do: registers, lists of several keys, transfers, a hot counter, unique values, rows that expire. */
import type { ReadCheck, WriteOp } from '../../../src/core/operations.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import {
  account,
  accounts,
  columnAt,
  increment,
  insert,
  put,
  read,
  remove,
  session as sessionRow,
  sessions,
  update,
  upsert,
} from '../../support/strong-region.ts'
import { columnDigest } from '../../../src/session/column-digest.ts'
import type { MachineClock } from '../world/process.ts'
import { ClientHistory, type Recorder } from './history.ts'
import { RangeWork } from './range-work.ts'
import { drawAgain, drawMops, onLists, type Mop } from './mops.ts'
import type { Draft, Result, Session } from './session.ts'

/** How often a client does what: weights. */
export type Mix = Readonly<Record<Work, number>>
export const WORKS = [
  'register',
  'list',
  'transfer',
  'counter',
  'unique',
  'expiring',
  'range-list',
  'queue',
  'roster',
  'slots',
] as const
export type Work = (typeof WORKS)[number]

const REGISTERS = ['r0', 'r1', 'r2']
const LISTS = ['l0', 'l1', 'l2']
export const BANK = ['b0', 'b1', 'b2', 'b3']
export const OPENING_BALANCE = 50
export const COUNTER = 'hot'

/** What a client is made of. */
export interface ClientParts {
  readonly session: Session
  readonly recorder: Recorder
  readonly random: SeededRandom
  readonly clock: MachineClock
  readonly mix: Mix
  /** Draws numbers that no other client draws. */
  readonly unique: () => number
}

const BALANCE = columnAt(accounts, 'balance')
const NOTE = columnAt(accounts, 'note')

export class Client {
  readonly #parts: ClientParts
  readonly #history: ClientHistory
  readonly #ranges: RangeWork
  /** What it saw last of each register. */
  readonly #seen = new Map<string, number>()

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#history = new ClientHistory(parts.recorder)
    this.#ranges = new RangeWork(parts, this.#history)
  }

  /** One operation, from its call to its end. */
  async step(): Promise<void> {
    const work = this.#draw()
    await this.#run(work)
    this.#parts.recorder.ended()
  }

  /** Reads a register, or the bank. */
  async look(): Promise<void> {
    const { random, recorder } = this.#parts
    if (random.fraction() < 0.7) await this.#readRegister(random.pick(REGISTERS))
    else await this.#readBank()
    recorder.ended()
  }

  /** Increments the counter and reads it; whether both are known to have succeeded. */
  async probe(): Promise<boolean> {
    const hasWritten = await this.#counter()
    const found = await this.#parts.session.read('strong', [COUNTER])
    this.#parts.recorder.ended()
    return hasWritten && found !== undefined
  }

  #draw(): Work {
    const { mix, random } = this.#parts
    const total = WORKS.reduce((sum, work) => sum + mix[work], 0)
    let left = random.fraction() * total
    return WORKS.find((work) => (left -= mix[work]) < 0) ?? 'register'
  }

  async #run(work: Work): Promise<void> {
    switch (work) {
      case 'register':
        return this.#register()
      case 'list':
        return this.#list()
      case 'transfer':
        return this.#transfer()
      case 'counter':
        return void (await this.#counter())
      case 'unique':
        return this.#unique()
      case 'expiring':
        return this.#expiring()
      case 'range-list':
        return this.#ranges.list()
      case 'queue':
        return this.#ranges.queue()
      case 'roster':
        return this.#ranges.roster()
      case 'slots':
        return this.#ranges.slots()
    }
  }

  async #register(): Promise<void> {
    const { random, unique, session } = this.#parts
    const key = random.pick(REGISTERS)
    const choice = random.fraction()
    if (choice < 0.5) return this.#readRegister(key)
    const value = unique()
    if (choice < 0.75) {
      this.#history.invoke('registers', 'write', key, value)
      const ops = [upsert(accounts, account(key, { balance: value }))]
      return this.#history.end('registers', 'write', key, value, await session.commit(global(ops)))
    }
    if (choice < 0.85) return this.#swap(key, value)
    if (choice < 0.9) return this.#touch(key)
    const old = this.#seen.get(key) ?? 0
    this.#history.invoke('registers', 'cas', key, [old, value])
    const condition = { column: 'balance', op: '=', value: old } as const
    const ops = [update(accounts, key, { balance: put(value) }, [condition])]
    this.#history.end('registers', 'cas', key, [old, value], await session.commit(global(ops)))
    this.#seen.set(key, value)
  }

  /** Compares and sets by what it read of that column alone. */
  async #swap(key: string, value: number): Promise<void> {
    const { session } = this.#parts
    const found = await session.read('local', [key])
    const row = found?.rows[0]
    if (found === undefined || row === undefined) return
    const old = Number(row[1 + BALANCE])
    this.#history.invoke('registers', 'cas', key, [old, value])
    const columns = [BALANCE]
    const digest = columnDigest(accounts, columns, row.slice(1, -1))
    const reads = [{ table: accounts.id, key: [key], columns, digest }]
    const ops = [update(accounts, key, { balance: put(value) })]
    const result = await session.commit({ ...global(ops), reads, basis: found.index })
    this.#history.end('registers', 'cas', key, [old, value], result)
  }

  /** Writes another column of the register: those who read this one alone do not conflict. */
  async #touch(key: string): Promise<void> {
    await this.#parts.session.commit(global([update(accounts, key, { total: increment(1n) })]))
  }

  async #readRegister(key: string): Promise<void> {
    this.#history.invoke('registers', 'read', key, null)
    const found = await this.#parts.session.read('strong', [key])
    if (found === undefined) return this.#history.note('registers', 'fail', 'read', key, null)
    const value = found.rows[0] === undefined ? null : Number(found.rows[0][1 + BALANCE])
    if (value !== null) this.#seen.set(key, value)
    this.#history.note('registers', 'ok', 'read', key, value)
  }

  async #list(): Promise<void> {
    const { random, unique, session } = this.#parts
    const wanted = drawMops(random, LISTS, unique)
    const keys = [...new Set(wanted.map(([, key]) => key))].toSorted()
    this.#history.invoke('lists', 'txn', null, wanted)
    // Any state does: what is old shows when the transaction is applied.
    const appends = wanted.some(([f]) => f === 'append')
    const found = await session.read(appends && random.fraction() < 0.7 ? 'local' : 'strong', keys)
    if (found === undefined) return this.#history.note('lists', 'fail', 'txn', null, wanted)
    const done = onRows(wanted, found.rows)
    if (!appends) return this.#history.note('lists', 'ok', 'txn', null, done.mops)
    const draft = { ...global(done.ops), reads: checks(keys, found.rows), basis: found.index }
    const result = await session.commit(draft)
    this.#history.end('lists', 'txn', null, done.mops, result)
    if (result.kind === 'refused' && result.code === 'CONFLICT')
      await this.#listAgain(wanted, result)
  }

  /** The next run of a transaction that met a conflict, with its key. */
  async #listAgain(
    before: readonly Mop[],
    { idempotencyKey }: Result & { kind: 'refused' },
  ): Promise<void> {
    const { session, unique } = this.#parts
    const wanted = drawAgain(before, unique)
    const keys = [...new Set(wanted.map(([, key]) => key))].toSorted()
    this.#history.invoke('lists', 'txn', null, wanted)
    const found = await session.read('strong', keys)
    if (found === undefined) return this.#history.note('lists', 'fail', 'txn', null, wanted)
    const done = onRows(wanted, found.rows)
    const draft = { ...global(done.ops), reads: checks(keys, found.rows), basis: found.index }
    this.#history.end(
      'lists',
      'txn',
      null,
      done.mops,
      await session.commit({ ...draft, idempotencyKey }),
    )
  }

  async #transfer(): Promise<void> {
    const { random, session } = this.#parts
    if (random.fraction() < 0.3) return this.#readBank()
    const [from, to] = random.shuffle([...BANK]) as [string, string]
    const amount = 1 + random.below(30)
    const value = { from, to, amount }
    this.#history.invoke('transfers', 'transfer', null, value)
    const ops = [
      update(accounts, from, { balance: increment(-amount, 0) }),
      update(accounts, to, { balance: increment(amount) }),
    ]
    this.#history.end('transfers', 'transfer', null, value, await session.commit(global(ops)))
  }

  async #readBank(): Promise<void> {
    this.#history.invoke('transfers', 'read', null, null)
    const found = await this.#parts.session.read('strong', BANK)
    if (found === undefined) return this.#history.note('transfers', 'fail', 'read', null, null)
    const held = found.rows.map((row) => [String(row[1]), Number(row[1 + BALANCE])] as const)
    this.#history.note('transfers', 'ok', 'read', null, Object.fromEntries(held))
  }

  async #counter(): Promise<boolean> {
    const ops = [update(accounts, COUNTER, { total: increment(1n) })]
    const result = await this.#parts.session.commit(global(ops))
    if (result.kind === 'unknown') await this.#parts.session.refresh()
    return result.kind === 'committed'
  }

  async #unique(): Promise<void> {
    const { random, session, unique } = this.#parts
    const id = `u${random.below(4)}`
    const row = account(id, { email: `m${random.below(3)}`, total: BigInt(unique()) })
    const op = random.pick([
      insert(accounts, row),
      upsert(accounts, row),
      upsert(accounts, row),
      remove(accounts, id),
    ])
    const result = await session.commit(global([op]))
    if (result.kind === 'unknown') await session.refresh()
  }

  async #expiring(): Promise<void> {
    const { random, session, clock } = this.#parts
    const id = `s${random.below(4)}`
    const at = clock.nowMs() + random.below(3_000)
    const seat = random.fraction() < 0.5 ? `seat${random.below(2)}` : null
    const op = random.pick([
      upsert(sessions, sessionRow(id, at, seat)),
      insert(sessions, sessionRow(id, at, seat)),
      update(sessions, id, { expiresAt: put(at) }),
      remove(sessions, id),
    ])
    const result = await session.commit({ tenant: 'acme', ops: [op], reads: [] })
    if (result.kind === 'unknown') await session.refresh()
  }
}

function global(ops: readonly WriteOp[]): Draft {
  return { tenant: '', ops, reads: [] }
}

/** What a transaction's operations give on these rows, and what it writes. */
function onRows(
  wanted: readonly Mop[],
  rows: readonly SqlRow[],
): { readonly mops: readonly Mop[]; readonly ops: readonly WriteOp[] } {
  const lists = new Map(rows.map((row) => [String(row[1]), decodeList(row[1 + NOTE])]))
  const { mops, written } = onLists(wanted, lists)
  const ops = Array.from(written, ([key, list]) =>
    upsert(accounts, account(key, { note: encodeList(list) })),
  )
  return { mops, ops }
}

function checks(keys: readonly string[], rows: readonly SqlRow[]): ReadCheck[] {
  const versions = new Map(rows.map((row) => [String(row[1]), String(row.at(-1))]))
  return keys.map((key) => read(accounts, key, versions.get(key) ?? null))
}

function encodeList(list: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(list).buffer)
}

function decodeList(cell: SqlRow[number] | undefined): number[] {
  if (!(cell instanceof Uint8Array)) return []
  return [...new Uint32Array(Uint8Array.from(cell).buffer)]
}
