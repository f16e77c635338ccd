/** A schema with a column of every type, and stores to put it into. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { MeridianError, type ErrorCode } from '../../../src/core/errors.ts'
import type { Random } from '../../../src/core/ports/runtime.ts'
import type { Store } from '../../../src/core/ports/store.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../src/drivers/store/file-store.ts'
import {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  integer,
  json,
  real,
  set,
  text,
  timestamp,
} from '../../../src/schema/columns.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../../src/schema/compiled.ts'
import { defineSchema, table } from '../../../src/schema/define.ts'

/** Every column type. */
export const schema = defineSchema({
  tables: {
    plain: table(
      {
        id: text().primaryKey(),
        integer: integer().optional(),
        bigint: bigint().optional(),
        real: real().optional(),
        boolean: boolean().optional(),
        timestamp: timestamp().optional(),
        blob: blob().optional(),
        json: json<unknown>().optional(),
        text: text().optional(),
      },
      { consistency: 'pinned', ttl: 'timestamp', indexes: [['integer', 'text']] },
    ),
    strict: table(
      {
        b: integer().primaryKey(),
        a: text().primaryKey(),
        count: integer().default(7),
        email: text().encrypted({ lookup: 'exact' }),
        secret: json<unknown>().encrypted().optional(),
        code: text().unique(),
        payload: json<unknown>(),
      },
      { consistency: 'strong' },
    ),
    merged: table(
      {
        id: bigint().primaryKey(),
        quantity: counter(),
        tags: set(),
        notes: collaborativeText(),
        title: text(),
      },
      { consistency: 'eventual', onConcurrentDelete: 'updateWins' },
    ),
  },
})

export const compiled: CompiledSchema = compileSchema(schema).compiled

/** A table of `schema`. */
export function tableNamed(name: string, of: CompiledSchema = compiled): CompiledTable {
  const found = of.tableByName.get(name)
  if (found === undefined) throw new Error(`no table ${name}`)
  return found
}

/** A store in a file of its own; both end with the test. */
export async function openStore(): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-schema-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const store = await openFileStore({
    path: join(folder, 'store.db'),
    timers: systemRuntime.timers,
  })
  onTestFinished(() => store.close())
  return store
}

export const random: Random = systemRuntime.random

/** The typed error that `call` throws. */
export function errorOf(call: () => unknown): MeridianError {
  try {
    call()
  } catch (error) {
    if (error instanceof MeridianError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** The code of the typed error that `call` throws. */
export function codeOf(call: () => unknown): ErrorCode {
  return errorOf(call).code
}
