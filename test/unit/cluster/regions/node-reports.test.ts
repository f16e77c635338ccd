import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { afterEach, describe, expect, it } from 'vitest'
import type { MeridianProcess } from '../../../../src/cluster/meridian-process.ts'
import { NodeReports } from '../../../../src/cluster/regions/node-reports.ts'
import { SYSTEM_TABLES } from '../../../../src/schema/system-tables.ts'

const CHANGES = 3
const servers: Server[] = []
const directories: string[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

/** A node that says of its one region where its views are; the region's store has changes. */
async function reports(viewPosition: number | null): Promise<NodeReports> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-'))
  directories.push(directory)
  mkdirSync(join(directory, 'eu'))
  const store = new Database(join(directory, 'eu', 'store.db'))
  for (const sql of SYSTEM_TABLES) store.exec(sql)
  store.exec(`INSERT INTO sqlite_sequence (name, seq) VALUES ('_outbox', ${CHANGES})`)
  store.close()
  const [publisher, imports] = [null, []]
  const region = {
    ...{ region: 'eu', strongIndex: 0, relayPosition: CHANGES },
    ...{ viewPosition, publisher, imports },
  }
  const server = createServer((_request, response) =>
    response.end(JSON.stringify({ regions: [region] })),
  )
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const node = { url, requireRunning: () => undefined } as unknown as MeridianProcess
  return new NodeReports(new Map([['eu', node]]), directory, 'token')
}

describe('settle', () => {
  it('ends where a schema has no views', async () => {
    // Without any, the position is infinite, which JSON does not have.
    await expect((await reports(null)).settle(10_000)).resolves.toBeUndefined()
  })

  it('waits for views that are behind', async () => {
    await expect((await reports(CHANGES - 1)).settle(60)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('views of eu') as string,
    })
  })

  it('ends where views are at the end of the store', async () => {
    await expect((await reports(CHANGES)).settle()).resolves.toBeUndefined()
  })
})
