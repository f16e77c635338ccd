import { describe, expect, it } from 'vitest'
import { createClient } from '@libsql/client'
import { openHttp, openWs, type HttpStream, type WsClient } from '@libsql/hrana-client'
import type { HttpHandler } from '../../../src/core/ports/http.ts'
import type { SqlBackend } from '../../../src/core/ports/sql-session.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import { startHttpServer } from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { createHranaService, type HranaService } from '../../../src/hrana/service.ts'
import { FakeBackend } from '../../support/hrana-backend.ts'
import { openMemorySql } from '../../support/memory-sql.ts'

/** Connections of a real server on a busy machine take their time. */
const TIMEOUT_MS = 30_000

async function serve(
  use: (url: string, service: HranaService, signals: readonly AbortSignal[]) => Promise<void>,
  backend: SqlBackend & { end?(): void } = openMemorySql(),
): Promise<void> {
  const service = createHranaService({ backend, runtime: systemRuntime })
  const signals: AbortSignal[] = []
  const handler: HttpHandler = {
    request: (request) => {
      signals.push(request.signal)
      return service.request(request, request.path, PROCESS_CALLER)
    },
    upgrade: async (_, protocols) => service.upgrade(protocols, async () => PROCESS_CALLER),
  }
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    handler,
    runtime: systemRuntime,
  })
  try {
    await use(server.url, service, signals)
  } finally {
    await service.close()
    await server.close({ drainTimeoutMs: 0 })
    backend.end?.()
  }
}

describe.each(['http', 'ws'])(
  'the unmodified @libsql/client over %s',
  { timeout: TIMEOUT_MS },
  (scheme) => {
    it('executes, batches, runs transactions and scripts, and gets typed errors', async () => {
      await serve(async (url, service) => {
        const client = createClient({ url: url.replace('http', scheme), intMode: 'bigint' })
        await client.executeMultiple('CREATE TABLE t (a INTEGER PRIMARY KEY, b); SELECT 1')
        await client.batch(
          [
            { sql: 'INSERT INTO t VALUES (?, ?)', args: [1n, 'one'] },
            {
              sql: 'INSERT INTO t VALUES (:a, :b)',
              args: { a: 2n, b: new Uint8Array([1, 2, 3, 4]) },
            },
            { sql: 'INSERT INTO t VALUES (?, ?)', args: [3n, 1.5] },
          ],
          'write',
        )
        const transaction = await client.transaction('write')
        const inserted = await transaction.execute('INSERT INTO t VALUES (4, 9223372036854775807)')
        expect(inserted).toMatchObject({ rowsAffected: 1, lastInsertRowid: 4n })
        await transaction.commit()
        const rolledBack = await client.transaction('write')
        await rolledBack.execute('DELETE FROM t')
        await rolledBack.rollback()
        await expect(client.execute('INSERT INTO t VALUES (1, NULL)')).rejects.toMatchObject({
          code: 'SQLITE_CONSTRAINT',
        })
        const { rows, columns } = await client.execute('SELECT a, b FROM t ORDER BY a')
        expect(columns).toEqual(['a', 'b'])
        expect(rows.map((row) => [row[0], toComparable(row[1])])).toEqual([
          [1n, 'one'],
          [2n, [1, 2, 3, 4]],
          [3n, 1.5],
          [4n, 9223372036854775807n],
        ])
        client.close()
        await expect.poll(() => service.streams(), { timeout: 10_000 }).toBe(0)
      })
    })
  },
)
describe.each(['http', 'ws'])(
  'hrana-client over %s in version 3, with protobuf',
  { timeout: TIMEOUT_MS },
  (scheme) => {
    it('executes, describes, stores SQL, reads the autocommit state, and walks cursors', async () => {
      await serve(async (url, service) => {
        const client =
          scheme === 'ws'
            ? openWs(url.replace('http', 'ws'), undefined, 3)
            : openHttp(url, undefined, undefined, undefined, 3)
        client.intMode = 'bigint'
        await client.getVersion()
        const stream = client.openStream()
        await stream.sequence('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB); BEGIN')
        expect(await stream.getAutocommit()).toBe(false)
        const owner = scheme === 'ws' ? (client as WsClient) : (stream as HttpStream)
        const insert = owner.storeSql('INSERT INTO t VALUES (?, ?)')
        const inserted = await stream.run([insert, [-(2n ** 63n), new Uint8Array([0, 255])]])
        expect(inserted).toMatchObject({ affectedRowCount: 1, lastInsertRowid: -(2n ** 63n) })
        await stream.run([insert, [2n ** 63n - 1n, null]])
        await stream.run('COMMIT')
        expect(await stream.getAutocommit()).toBe(true)
        await expect(stream.run([insert, [2n ** 63n - 1n, null]])).rejects.toMatchObject({
          code: 'SQLITE_CONSTRAINT',
        })
        await expect(stream.run('SELECT 1 FROM missing')).rejects.toMatchObject({
          code: 'SQLITE_ERROR',
        })
        expect((await stream.describe('SELECT ?')).isReadonly).toBe(true)
        const batch = stream.batch(true)
        const first = batch.step().query("SELECT 1.5, 'é', a FROM t ORDER BY a")
        const failing = batch.step().run('SELECT * FROM missing')
        const failed = failing.catch((error: unknown) => error)
        await batch.execute()
        const { rows, columnNames } = (await first) ?? { rows: [], columnNames: [] }
        expect(columnNames[2]).toBe('a')
        expect(rows.map((row) => [row[0], row[1], row[2]])).toEqual([
          [1.5, 'é', -(2n ** 63n)],
          [1.5, 'é', 2n ** 63n - 1n],
        ])
        expect(await failed).toMatchObject({ code: 'SQLITE_ERROR' })
        const after = await stream.query('SELECT count(*) FROM t')
        expect(after.rows[0]?.[0]).toBe(2n)
        stream.closeGracefully()
        await expect.poll(() => service.streams(), { timeout: 10_000 }).toBe(0)
        client.close()
      })
    })
  },
)

describe('a client that breaks its connection', { timeout: TIMEOUT_MS }, () => {
  /** A backend whose `wait` lasts until it is released. */
  function gated(): { backend: FakeBackend; release: () => void } {
    const backend = new FakeBackend()
    let release = (): void => undefined
    backend.gate = new Promise((resolve) => (release = resolve))
    return { backend, release: () => release() }
  }

  async function expectRolledBack(backend: FakeBackend, service: HranaService): Promise<void> {
    await expect.poll(() => service.streams(), { timeout: 10_000 }).toBe(0)
    expect(backend.sessions.map(({ log }) => log)).toEqual([['begin', 'wait', 'rolled back']])
  }

  it('in the middle of a pipeline has its transaction rolled back', async () => {
    const { backend, release } = gated()
    await serve(async (url, service, signals) => {
      const leaving = new AbortController()
      const requests = ['begin', 'wait', 'commit'].map((sql) => ({
        type: 'execute',
        stmt: { sql },
      }))
      const answer = fetch(`${url}/v2/pipeline`, {
        method: 'POST',
        body: JSON.stringify({ baton: null, requests }),
        signal: leaving.signal,
      }).catch((error: unknown) => error)
      await expect.poll(() => backend.sessions[0]?.log, { timeout: 10_000 }).toContain('wait')
      leaving.abort()
      expect(await answer).toMatchObject({ name: 'AbortError' })
      await expect.poll(() => signals[0]?.aborted, { timeout: 10_000 }).toBe(true)
      release()
      await expectRolledBack(backend, service)
    }, backend)
  })

  it('of a WebSocket has its transactions rolled back', async () => {
    const { backend, release } = gated()
    await serve(async (url, service) => {
      const client = openWs(url.replace('http', 'ws'), undefined, 2)
      const stream = client.openStream()
      const results = ['begin', 'wait'].map((sql) =>
        stream.run(sql).catch((error: unknown) => error),
      )
      await expect.poll(() => backend.sessions[0]?.log, { timeout: 10_000 }).toContain('wait')
      client.close()
      await Promise.all(results)
      release()
      await expectRolledBack(backend, service)
    }, backend)
  })
})

function toComparable(value: unknown): unknown {
  return value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value
}
