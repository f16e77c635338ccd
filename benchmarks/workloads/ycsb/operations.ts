/** The calls of the core workloads, from one region. */
import { MeridianError } from '../../../src/core/errors.ts'
import type { CellMode } from '../../measure/cell.ts'
import type { CallReport, Operation } from '../../measure/loop.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import {
  readReport,
  TRANSACTION_REQUESTS,
  writeReport,
  type Caller,
  type Callers,
} from '../callers.ts'
import { idsOf } from '../preparation.ts'
import type { Tally } from '../tally.ts'
import { LONGEST_SCAN, type CallName } from './core-workloads.ts'
import type { UpdateJournal } from './journal.ts'
import type { KeySpace, KnownRecord, RecordNumbers } from './key-space.ts'
import { FIELDS, fieldValue, isWhole, newRecord, recordId, stampOf } from './records.ts'
import { transactWide, wideTable } from './wide-table.ts'

/** Names that writes are counted under. */
export const INSERTS = 'inserts'
/** Read-modify-write transactions. */
export const REWRITES = 'rewrites'

/** What all calls of a step share. */
export interface YcsbRun {
  /** Begins the ids of the step's records. */
  readonly name: string
  readonly mode: CellMode
  /** Where pinned and eventual records are. */
  readonly tenant: string
  readonly tally: Tally
  readonly journal: UpdateJournal
  readonly numbers: RecordNumbers
}

/** What the calls of one region share. */
export interface YcsbOrigin {
  readonly callers: Callers
  readonly keys: KeySpace
  readonly random: SeededRandom
}

/** The operation of a kind of call. */
export function ycsbOperation(run: YcsbRun, origin: YcsbOrigin, call: CallName): Operation {
  return OPERATIONS[call](run, origin)
}

type Build = (run: YcsbRun, origin: YcsbOrigin) => Operation

const OPERATIONS: Readonly<Record<CallName, Build>> = {
  read: readOne,
  update: updateOne,
  insert: insertOne,
  scan: scanSome,
  'read-modify-write': rewriteOne,
}

function readOne(run: YcsbRun, origin: YcsbOrigin): Operation {
  return async (index) => {
    const { id, caller } = choose(run, origin, index)
    const table = wideTable(caller.db, run.mode, run.tenant)
    const { value, receipt } = await table.get(id, { session: caller.session }).withReceipt()
    if (value === undefined) throw missing(run, id, caller)
    if (!isWhole(value)) run.tally.wrong(`the record ${id} was read in part`)
    return readReport(receipt)
  }
}

function updateOne(run: YcsbRun, origin: YcsbOrigin): Operation {
  return async (index) => {
    const { id, caller } = choose(run, origin, index)
    const field = origin.random.pick(FIELDS)
    const update = run.journal.begin(cellName(id, field))
    const changes = { [field]: fieldValue(update.stamp) }
    const table = wideTable(caller.db, run.mode, run.tenant)
    const { receipt } = await table.update(id, changes, { session: caller.session }).withReceipt()
    run.journal.acknowledge(update)
    return writeReport(receipt)
  }
}

function insertOne(run: YcsbRun, { callers, keys }: YcsbOrigin): Operation {
  return async (index) => {
    const owner = callers.of(index)
    const number = run.numbers.next()
    const row = newRecord(recordId(run.name, number), 0)
    const table = wideTable(owner.db, run.mode, run.tenant)
    const inserting = table.insert(row, { session: owner.session }).withReceipt()
    const { receipt } = await run.tally.write(INSERTS, inserting)
    keys.add({ number, owner })
    return writeReport(receipt)
  }
}

function scanSome(run: YcsbRun, origin: YcsbOrigin): Operation {
  const { lt } = idsOf(run.name)
  return async (index) => {
    const { id, caller } = choose(run, origin, index)
    const limit = 1 + origin.random.below(LONGEST_SCAN)
    const where = { id: { gte: id, lt } }
    const table = wideTable(caller.db, run.mode, run.tenant)
    const { value, receipt } = await table
      .list({ where, limit, session: caller.session })
      .withReceipt()
    const ids = value.rows.map((row) => row.id)
    if (ids[0] !== id) throw missing(run, id, caller)
    const inOrder = ids.every((other, i) => i === 0 || other > (ids[i - 1] as string))
    if (!inOrder || ids.length > limit) run.tally.wrong(`a scan from ${id} gave other rows`)
    return readReport(receipt)
  }
}

function rewriteOne(run: YcsbRun, origin: YcsbOrigin): Operation {
  return async (index): Promise<CallReport> => {
    const { id, caller } = choose(run, origin, index)
    const rewriting = transactWide(
      caller.db,
      run.mode,
      run.tenant,
      async (table) => {
        const row = await table.get(id)
        if (row === undefined) throw missing(run, id, caller)
        table.update(id, { field0: fieldValue((stampOf(row.field0) ?? 0) + 1) })
      },
      { session: caller.session },
    )
    const { receipt } = await run.tally.write(REWRITES, rewriting.withReceipt())
    return { ...writeReport(receipt), needed: TRANSACTION_REQUESTS }
  }
}

/** A record and who calls: of an inserted one its owner, whose session must find it. */
function choose(
  run: YcsbRun,
  { keys, callers }: YcsbOrigin,
  index: number,
): { readonly id: string; readonly caller: Caller } {
  const { number, owner }: KnownRecord = keys.choose()
  return { id: recordId(run.name, number), caller: owner ?? callers.of(index) }
}

function missing(run: YcsbRun, id: string, caller: Caller): MeridianError {
  const where = `${caller.region}, caller ${caller.number}`
  run.tally.wrong(`the record ${id} was not found by who must see it (${where})`)
  return new MeridianError('NOT_FOUND', `The record ${id} was not found.`)
}

/** The name of a cell in the journal. */
export function cellName(id: string, field: string): string {
  return `${id} ${field}`
}
