import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createWorkerWriter } from '../../../../src/drivers/store/worker-writer.ts'
import { failureOf } from '../../../conformance/support/failure.ts'
import { startChild } from '../../../conformance/support/child.ts'
import { tempFolder } from '../../../conformance/support/temp-folder.ts'

const define = [{ sql: 'CREATE TABLE t (a INTEGER) STRICT', args: [] }]
const insert = [{ sql: 'INSERT INTO t VALUES (1)', args: [] }]

test('a file that the thread cannot open fails the start with its own error', async () => {
  const path = join(tempFolder(), 'missing', 'store.db')
  const error = await failureOf(createWorkerWriter({ path }, 100))
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', details: { path } })
})

test('groups that are handed over at once are written in order', async () => {
  const writer = await createWorkerWriter({ path: join(tempFolder(), 'store.db') }, 100)
  const groups = [writer.commit([define]), writer.commit([insert, insert]), writer.commit([insert])]
  const outcomes = (await Promise.all(groups)).flat()
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, true, true])
  await writer.close()
})

test('after its end it refuses, and what was under way has an unknown outcome', async () => {
  const writer = await createWorkerWriter({ path: join(tempFolder(), 'store.db') }, 100)
  await writer.commit([define])
  const closing = writer.close()
  // The thread ends before it comes to this one.
  const late = failureOf(writer.commit([insert]))
  expect(await late).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'unknown-outcome' })
  await closing
  expect(await failureOf(writer.commit([insert]))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('a store at rest does not keep its process alive', async () => {
  for (const writer of ['inline', 'worker']) {
    const child = startChild('idle-store.ts', join(tempFolder(), 'store.db'), writer)
    expect(await child.ended).toBe(0)
    expect(child.lines).toEqual(['written'])
  }
})
