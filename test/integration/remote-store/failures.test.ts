/** What a store on a server says and does when the server, or the way to it, fails. */
import { join } from 'node:path'
import { createClient } from '@libsql/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isErrorCode } from '../../../src/core/errors.ts'
import type { Store } from '../../../src/core/ports/store.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import {
  openRemoteStore,
  type RemoteStoreOptions,
} from '../../../src/drivers/store/remote/remote-store.ts'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'
import { freePorts } from '../../support/free-ports.ts'
import { startStoreServer } from '../../support/store-server-process.ts'
import { openGate } from '../../support/tcp-gate.ts'

const PROTOCOLS = ['http', 'ws'] as const
const TABLE = 'CREATE TABLE IF NOT EXISTS item (n INTEGER, half TEXT, PRIMARY KEY (n, half)) STRICT'

async function open(url: string, options: Partial<RemoteStoreOptions> = {}): Promise<Store> {
  const store = await openRemoteStore({ url, runtime: systemRuntime, ...options })
  onTestFinished(() => store.close())
  return store
}

async function startServer(token?: string): Promise<{ readonly port: number }> {
  const server = await openStoreServer({ file: join(tempFolder(), 'store.db'), token })
  onTestFinished(() => server.close())
  return server
}

/** Two rows, which must both be there or neither. */
const insert = (store: Store, n: number): Promise<unknown> =>
  store.write(
    ['a', 'b'].map((half) => ({
      sql: 'INSERT OR IGNORE INTO item VALUES (?, ?)',
      args: [n, half],
    })),
  )

/** How many rows there are of each number. */
async function stored(store: Store): Promise<Map<number, number>> {
  const [result] = await store.read([{ sql: 'SELECT n, count(*) FROM item GROUP BY n', args: [] }])
  return new Map(result?.rows.map((row) => [Number(row[0]), Number(row[1])]))
}

/** Repeats a call that fails in a way that may be repeated. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (const endMs = Date.now() + 30_000; ;) {
    try {
      return await call()
    } catch (error) {
      if (!isErrorCode(error, 'STORE_UNAVAILABLE') || Date.now() > endMs) throw error
      await new Promise((resolve) => {
        setTimeout(resolve, 20)
      })
    }
  }
}

describe.each(PROTOCOLS)('over %s', (protocol) => {
  test(
    'a server killed in the middle of writes has what it acknowledged, and nothing by half',
    { timeout: 180_000 },
    async () => {
      const file = join(tempFolder(), 'store.db')
      const [port = 0] = await freePorts(1)
      const first = await startStoreServer(file, port)
      const store = await open(`${protocol}://127.0.0.1:${port}`)
      await store.write([{ sql: TABLE, args: [] }])

      const acknowledged: number[] = []
      const unknown: number[] = []
      const undone: number[] = []
      let next = 0
      const write = async (): Promise<void> => {
        while (unknown.length + undone.length === 0) {
          const n = next++
          try {
            await insert(store, n)
            acknowledged.push(n)
          } catch (error) {
            expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
            const { retry } = error as { readonly retry: string }
            expect(['safe', 'unknown-outcome']).toContain(retry)
            ;(retry === 'safe' ? undone : unknown).push(n)
          }
        }
      }
      const writers = Array.from({ length: 8 }, write)
      await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(200)
      first.kill('SIGKILL')
      await Promise.all(writers)
      await first.ended
      await startStoreServer(file, port)

      const rows = await eventually(() => stored(store))
      for (const n of acknowledged) expect(rows.get(n)).toBe(2)
      for (const n of undone) expect(rows.get(n)).toBeUndefined()
      for (const n of unknown) expect([undefined, 2]).toContain(rows.get(n))
      await eventually(() => insert(store, -1))
      expect((await stored(store)).get(-1)).toBe(2)
    },
  )

  test('an answer that was cut off leaves the outcome unknown, and wakes those who wait', async () => {
    const { port } = await startServer()
    const gate = await openGate(port)
    const store = await open(`${protocol}://127.0.0.1:${gate.port}`)
    await store.write([{ sql: TABLE, args: [] }])
    let woken = 0
    store.onCommit(() => woken++)
    gate.cutAnswers()
    const error = await failureOf(insert(store, 1))
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    // A socket that was lost before leaves nothing sent.
    const isUnknown = (error as { readonly retry: string }).retry === 'unknown-outcome'
    expect(woken).toBe(isUnknown ? 1 : 0)
    gate.open()
    await eventually(() => insert(store, 2))
    const rows = await eventually(() => stored(store))
    expect(rows.get(2)).toBe(2)
    expect([undefined, 2]).toContain(rows.get(1))
  })

  test('a server that does not answer is given up in time, and served again when it does', async () => {
    const { port } = await startServer()
    const gate = await openGate(port)
    const store = await open(`${protocol}://127.0.0.1:${gate.port}`, { requestTimeoutMs: 5_000 })
    await store.write([{ sql: TABLE, args: [] }])
    gate.stall()
    const [write, read] = await Promise.all([
      failureOf(insert(store, 1)),
      failureOf(store.read([{ sql: 'SELECT 1', args: [] }])),
    ])
    expect(write).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'unknown-outcome' })
    expect(read).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'safe' })
    gate.open()
    await eventually(() => insert(store, 2))
    const rows = await eventually(() => stored(store))
    expect(rows.get(2)).toBe(2)
    // From now on it is settled, whatever the network still holds.
    const settled = rows.get(1)
    await eventually(() => insert(store, 3))
    expect((await eventually(() => stored(store))).get(1)).toBe(settled)
  })

  test('a server that is not there is told as such before anything was sent', async () => {
    const [port = 0] = await freePorts(1)
    const error = await failureOf(open(`${protocol}://127.0.0.1:${port}`))
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'safe' })
  })

  test('a wrong or missing token is told as such', async () => {
    const { port } = await startServer('right')
    const url = `${protocol}://127.0.0.1:${port}`
    for (const options of [{ token: 'wrong' }, {}]) {
      expect(await failureOf(open(url, options))).toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    const store = await open(url, { token: 'right' })
    await store.write([{ sql: TABLE, args: [] }])
  })

  test('another client that holds the lock is waited for', async () => {
    const { port } = await startServer()
    const store = await open(`${protocol}://127.0.0.1:${port}`)
    await store.write([{ sql: TABLE, args: [] }])
    const other = createClient({ url: `http://127.0.0.1:${port}` })
    onTestFinished(() => other.close())
    const transaction = await other.transaction('write')
    await transaction.execute("INSERT INTO item VALUES (7, 'a'), (7, 'b')")
    const waiting = [insert(store, 1), insert(store, 2)]
    await transaction.commit()
    await Promise.all(waiting)
    expect([...(await stored(store)).keys()].sort((a, b) => a - b)).toEqual([1, 2, 7])
  })

  test('one node at a time: the second is refused until the first one closes', async () => {
    const { port } = await startServer()
    const url = `${protocol}://127.0.0.1:${port}`
    const first = await open(url, { owner: 'node A', leaseMs: 10_000 })
    const error = await failureOf(open(url, { leaseMs: 10_000 }))
    expect(error).toMatchObject({ code: 'STORE_LOCKED', retry: 'safe' })
    expect(String(error)).toContain('node A')
    await first.write([{ sql: TABLE, args: [] }])
    await first.close()
    const second = await open(url)
    await insert(second, 1)
  })

  test('results beyond what the server sends at once are refused, and undone where they were written', async () => {
    const { port } = await startServer()
    const store = await open(`${protocol}://127.0.0.1:${port}`)
    await store.write([{ sql: TABLE, args: [] }])
    const huge = 'SELECT hex(zeroblob(1000000)) FROM json_each(?)'
    const statement = { sql: huge, args: ['[1,2,3,4,5,6,7,8]'] }
    expect(await failureOf(store.read([statement]))).toMatchObject({ code: 'RESULT_TOO_LARGE' })
    const write = store.write([{ sql: "INSERT INTO item VALUES (1, 'a')", args: [] }, statement])
    const neighbour = insert(store, 2)
    expect(await failureOf(write)).toMatchObject({ code: 'RESULT_TOO_LARGE' })
    await neighbour
    expect([...(await stored(store)).keys()]).toEqual([2])
  })
})
