import { describe, expect, it } from 'vitest'
import { createClient } from '@libsql/client'
import type { HttpHandler } from '../../../src/core/ports/http.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import { startHttpServer } from '../../../src/drivers/http/http-server.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { createHranaService, type HranaService } from '../../../src/hrana/service.ts'
import { openMemorySql } from '../../support/memory-sql.ts'

async function serve(use: (url: string, service: HranaService) => Promise<void>): Promise<void> {
  const backend = openMemorySql()
  const service = createHranaService({ backend, runtime: systemRuntime })
  const handler: HttpHandler = {
    request: (request) => service.request(request, request.path, PROCESS_CALLER),
    upgrade: async (_, protocols) => service.upgrade(protocols, async () => PROCESS_CALLER),
  }
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    handler,
    runtime: systemRuntime,
  })
  try {
    await use(server.url, service)
  } finally {
    await service.close()
    await server.close({ drainTimeoutMs: 0 })
    backend.end()
  }
}

describe.each(['http', 'ws'])('the unmodified @libsql/client over %s', (scheme) => {
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
})

function toComparable(value: unknown): unknown {
  return value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value
}
