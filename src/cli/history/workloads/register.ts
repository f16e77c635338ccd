/** Registers: reads, writes, and compare-and-set by a condition on the row's value. */
import { isErrorCode } from '../../../core/errors.ts'
import type { SeededRandom } from '../../../core/seeded-random.ts'
import { allLocalRows } from './all-rows.ts'
import { KeyWindow } from './key-window.ts'
import type { Operation, Workload } from './workload.ts'

/** Operations of a key before another one takes its place. */
const USES_EACH = 120
const KEYS_AT_ONCE = 4
const READ_SHARE = 0.5
const WRITE_SHARE = 0.3

/** The workload. Every written value is new, so that a read tells whose value it saw. */
export function registerWorkload(): Workload {
  const keys = new KeyWindow('r', KEYS_AT_ONCE, USES_EACH)
  /** What was seen of a key last: what a compare-and-set may succeed with. */
  const seen = new Map<string, number>()
  let nextValue = 1
  return {
    prepare: async () => undefined,
    next(random: SeededRandom): Operation {
      const key = keys.pick(random)
      const kind = random.fraction()
      const expected = seen.get(key)
      if (kind < READ_SHARE) return readOf(key, seen)
      if (kind < READ_SHARE + WRITE_SHARE || expected === undefined) {
        return writeOf(key, nextValue++, seen)
      }
      return casOf(key, expected, nextValue++, seen)
    },
    finalReads: () => keys.all.map((key) => readOf(key, seen)),
    async localState(db) {
      const rows = await allLocalRows((page) => db.registers.list(page))
      return new Map(rows.map(({ id, value }) => [id, value]))
    },
  }
}

function readOf(key: string, seen: Map<string, number>): Operation {
  return {
    ...{ f: 'read', key, value: null, isRead: true },
    async run(db, options) {
      const row = await db.registers.get(key, { ...options, consistency: 'strong' })
      if (row !== undefined) seen.set(key, row.value)
      return { type: 'ok', value: row?.value ?? null }
    },
  }
}

function writeOf(key: string, value: number, seen: Map<string, number>): Operation {
  return {
    ...{ f: 'write', key, value, isRead: false },
    async run(db, options) {
      await db.registers.upsert({ id: key, value }, options)
      seen.set(key, value)
      return { type: 'ok', value }
    },
  }
}

function casOf(key: string, from: number, to: number, seen: Map<string, number>): Operation {
  const value = [from, to]
  return {
    ...{ f: 'cas', key, value, isRead: false },
    async run(db, options) {
      try {
        await db.registers.update(key, { value: to }, { ...options, if: { value: from } })
      } catch (error) {
        if (isErrorCode(error, 'CONDITION_FAILED') && seen.get(key) === from) seen.delete(key)
        throw error
      }
      seen.set(key, to)
      return { type: 'ok', value }
    },
  }
}
