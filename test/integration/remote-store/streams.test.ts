/** Which batches share a stream of the server, a database connection, and which take it with them. */
import { join } from 'node:path'
import { WsClient } from '@libsql/hrana-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { createHranaConnection } from '../../../src/drivers/store/remote/hrana-connection.ts'
import type {
  BatchConnection,
  BatchStep,
  StepOutcome,
} from '../../../src/drivers/store/remote/batch.ts'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'

interface Rig {
  readonly connection: BatchConnection
  /** How many streams were opened so far. */
  readonly opened: () => number
}

async function openRig(): Promise<Rig> {
  const opening = vi.spyOn(WsClient.prototype, 'openStream')
  const server = await openStoreServer({ file: join(tempFolder(), 'store.db') })
  const connection = createHranaConnection({
    url: server.url.replace('http:', 'ws:'),
    timers: systemRuntime.timers,
    requestTimeoutMs: 10_000,
  })
  onTestFinished(async () => {
    connection.close()
    await server.close()
    opening.mockRestore()
  })
  return { connection, opened: () => opening.mock.calls.length }
}

const step = (sql: string): BatchStep => ({ sql, args: [] })
const rowOf = ([first]: readonly StepOutcome[]): unknown =>
  first?.ok === true ? first.rows[0]?.[0] : first

test('batches one after another share a stream', async () => {
  const { connection, opened } = await openRig()
  for (let i = 0; i < 20; i++) {
    expect(rowOf(await connection.batch([step(`SELECT ${i}`)], false))).toBe(BigInt(i))
  }
  expect(opened()).toBe(1)
})

test('batches side by side have a stream each', async () => {
  const { connection, opened } = await openRig()
  const values = await Promise.all(
    [1, 2, 3].map((n) => connection.batch([step(`SELECT ${n}`)], false)),
  )
  expect(values.map(rowOf)).toEqual([1n, 2n, 3n])
  expect(opened()).toBe(3)
})

test('what a failed batch left open is undone, and no later batch is in it', async () => {
  const { connection, opened } = await openRig()
  await connection.batch([step('CREATE TABLE item (n INTEGER)')], true)
  const steps = [step('BEGIN IMMEDIATE'), step('INSERT INTO item VALUES (1)'), step('SELECT nope')]
  const [, inserted, failed] = await connection.batch(steps, true)
  expect([inserted?.ok, failed?.ok]).toEqual([true, false])
  expect(rowOf(await connection.batch([step('SELECT count(*) FROM item')], false))).toBe(0n)
  await connection.batch([step('BEGIN IMMEDIATE'), step('COMMIT')], true)
  expect(opened()).toBe(2)
})
