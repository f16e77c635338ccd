/** The calls that cells are made of, and whether what they delivered is what was asked for. */
import { isDeepStrictEqual } from 'node:util'
import {
  MeridianError,
  type Call,
  type ReadLevel,
  type ReadOptions,
} from '../../src/client/index.ts'
import type { Receipt, WriteOptions } from '../../src/client/index.ts'
import type { CellKey } from '../measure/cell.ts'
import type { CallReport, Operation } from '../measure/loop.ts'

/** A table as reads of one key need it. */
export interface ReadableTable {
  get(key: string, options?: ReadOptions): Call<object | undefined>
}

/** What one write does. */
export type WriteCall = (index: number, options: WriteOptions) => Call<void>

/** What a receipt tells of a call. */
function reportOf({ level, stalenessMs, requests }: Receipt): CallReport {
  return { level, stalenessMs, attempts: requests }
}

/** An operation that writes. The level is left out: a write has none. */
export function writeOperation(write: WriteCall, options: WriteOptions): Operation {
  return async (index) => {
    const { receipt } = await write(index, options).withReceipt()
    return { attempts: receipt.requests }
  }
}

/** A read that must find a row, at one level and no other. */
export interface LevelRead {
  readonly operation: Operation
  /** @throws MeridianError `INTERNAL` where another level was delivered */
  check(): void
}

/** The read of a cell: keys in no order, under the options' session. */
export function levelRead(
  key: CellKey,
  table: ReadableTable,
  rowKey: (index: number) => string,
  options: Omit<ReadOptions, 'consistency'>,
): LevelRead {
  const levels = new LevelCheck(key)
  const read = { ...options, consistency: levels.asked }
  return {
    operation: async (index) => {
      const id = rowKey(index)
      const { value, receipt } = await table.get(id, read).withReceipt()
      levels.require(receipt.level)
      if (value === undefined) throw notFound(id)
      return reportOf(receipt)
    },
    check: () => levels.check(),
  }
}

/** Remembers what was delivered beside what was asked for. */
export class LevelCheck {
  readonly asked: ReadLevel
  readonly #key: CellKey
  #other: ReadLevel | undefined

  constructor(key: CellKey) {
    if (key.level === null) throw new MeridianError('INTERNAL', `${key.op} is no read.`)
    this.asked = key.level
    this.#key = key
  }

  /** @throws MeridianError `INTERNAL` for another level than the one that was asked for */
  require(delivered: ReadLevel): void {
    if (delivered === this.asked || isDeepStrictEqual(delivered, this.asked)) return
    this.#other = delivered
    throw this.#failure(delivered)
  }

  /** @throws MeridianError `INTERNAL` when any call has got another level */
  check(): void {
    if (this.#other !== undefined) throw this.#failure(this.#other)
  }

  #failure(delivered: ReadLevel): MeridianError {
    const { mode, op, origin } = this.#key
    return new MeridianError(
      'INTERNAL',
      `A ${mode} ${op} from ${origin} asked for ${nameOf(this.asked)} and was given ${nameOf(delivered)}.`,
      { details: { mode, op, origin } },
    )
  }
}

function nameOf(level: ReadLevel): string {
  return typeof level === 'string' ? `'${level}'` : JSON.stringify(level)
}

function notFound(id: string): MeridianError {
  return new MeridianError('NOT_FOUND', `A row that is there was not found: ${id}.`)
}
