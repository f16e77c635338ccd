/**
 * The stream of a region's changes against the log: carried out on empty tables, it must give the rows
 * that the log's transactions give, record by record; so nothing of a refused transaction is in it,
 * nothing is missing, twice or out of order, and what is said of rows before is true.
 */
import { logSource, type Change } from '../../../src/core/change.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import type { SerialModel } from '../../support/strong-model.ts'
import { accounts, schema, sessions } from '../../support/strong-region.ts'
import { showKey } from '../../support/row-text.ts'
import { GROUP } from './region.ts'

const LOG = logSource(GROUP)

interface Kept {
  readonly row: string
  readonly change: Change
}

export class StreamCheck {
  readonly violations: string[] = []
  readonly #name: string
  readonly #changes: readonly Change[]
  readonly #wasSeeded: boolean
  #next = 0
  /** The rows as the changes up to here leave them, by table, tenant and key. */
  readonly #rows = new Map<string, Kept>()
  /** Changes of a reseed have come, and none of the log since: the rows are of no known index. */
  #isSeeding = false

  /** `changes`: all of a region, in its order; `wasSeeded`: records may be missing that a seeding was in place of. */
  constructor(name: string, changes: readonly Change[], wasSeeded: boolean) {
    this.#name = name
    this.#wasSeeded = wasSeeded
    this.#changes = changes
    this.#takeSeeding()
  }

  /** Takes the changes of a record that `model` has just applied. */
  advance(index: number, model: SerialModel): void {
    const touched = new Map<string, Change>()
    let change = this.#changes[this.#next]
    for (; change?.origin.source === LOG; change = this.#changes[this.#next]) {
      if (change.origin.seq > index) break
      if (change.origin.seq < index) this.#say(change, `comes after those of ${index - 1}`)
      touched.set(idOf(change), change)
      this.#take(change)
    }
    if (touched.size > 0 && this.#isSeeding) {
      this.#isSeeding = false
      this.#compareAll(index, model)
    } else if (touched.size > 0 || !this.#wasSeeded) this.#compare(index, model, touched)
    this.#takeSeeding()
  }

  /** Nothing may be left, and the rows are the model's. */
  finish(index: number, model: SerialModel): void {
    const left = this.#changes[this.#next]
    if (left !== undefined) this.#say(left, `is behind the log's end, ${index}`)
    this.#compareAll(index, model)
  }

  #takeSeeding(): void {
    let change = this.#changes[this.#next]
    for (
      ;
      change !== undefined && change.origin.source !== LOG;
      change = this.#changes[this.#next]
    ) {
      this.#isSeeding = true
      this.#take(change)
    }
  }

  #take(change: Change): void {
    this.#next += 1
    const id = idOf(change)
    const before = this.#rows.get(id)?.row
    const said = change.before === null ? undefined : rowText(change.before)
    if (before !== said) this.#say(change, `replaces ${said}, but there was ${before}`)
    if (change.after === null) this.#rows.delete(id)
    else this.#rows.set(id, { row: rowText(change.after), change })
  }

  #compare(index: number, model: SerialModel, touched: ReadonlyMap<string, Change>): void {
    if (this.#rows.size !== model.size()) {
      this.violations.push(
        `changes: ${this.#name} has ${this.#rows.size} rows at ${index}, not ${model.size()}`,
      )
    }
    for (const [id, change] of touched) this.#compareRow(id, change, model)
  }

  #compareAll(index: number, model: SerialModel): void {
    this.#compare(index, model, new Map(Array.from(this.#rows, ([id, { change }]) => [id, change])))
  }

  #compareRow(id: string, change: Change, model: SerialModel): void {
    const table = change.tableId === accounts.id ? accounts : sessions
    const expected = model.find(table, change.tenant, String(change.key[0]))
    const kept = this.#rows.get(id)
    if (kept?.row !== (expected === undefined ? undefined : rowText(expected.image))) {
      this.#say(change, `leaves ${kept?.row}, not ${expected && rowText(expected.image)}`)
    } else if (expected !== undefined && kept?.change.version !== expected.version) {
      this.#say(change, `has version ${kept?.change.version}, not ${expected.version}`)
    }
  }

  #say(change: Change, what: string): void {
    const { localSeq, origin, op, tableId, key } = change
    const table = schema.tableById.get(tableId)?.name
    this.violations.push(
      `changes: ${this.#name} ${localSeq} (${origin.seq}, ${op} of ${table} ${key.join()}) ${what}`,
    )
  }
}

/** What was emitted and is not, or not so, among the changes that there are in the end. */
export function emissionViolations(
  name: string,
  emitted: readonly Change[],
  changes: readonly Change[],
): string[] {
  const wrong = emitted.find((change, i) => {
    const there = changes[i]
    return there === undefined || changeText(there) !== changeText(change)
  })
  if (wrong === undefined) return []
  return [`emission: ${name} told of ${changeText(wrong)}, which is not there`]
}

function idOf({ tableId, tenant, key }: Change): string {
  return `${tableId}/${tenant}/${key.map(showKey).join()}`
}

/** A region's stamps are its own; all else is the log's. */
function changeText(change: Change): string {
  const { localSeq, origin, txId, index, size, cause, op, before, after, version } = change
  const images = [before, after].map((image) => (image === null ? '-' : rowText(image)))
  const where = `${localSeq} ${origin.source} ${origin.seq} ${txId} ${index}/${size}`
  return `${where} ${cause} ${op} ${idOf(change)} ${images.join(' > ')} ${version}`
}

/** Integers are of either type. */
function rowText(image: readonly SqlValue[]): string {
  return image
    .map((value) => showKey(Number.isInteger(value) ? BigInt(value as number) : value))
    .join('|')
}
