/** The store server as a process: `meridian store`, as it starts, ends, is killed and runs full. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@libsql/client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { programArguments } from '../../support/program.ts'

const MAIN = 'src/cli/main.ts'

let directory: string
let running: StoreProcess[]
let clients: Client[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meridian-store-process-'))
  running = []
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.close()
  for (const store of running) await store.kill()
  await rm(directory, { recursive: true, force: true })
})

interface StoreProcess {
  readonly url: string
  readonly child: ChildProcess
  /** Asks the process to end in order. */
  end(): Promise<number | null>
  kill(): Promise<void>
}

async function start(
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<StoreProcess> {
  const child = spawn(
    process.execPath,
    [...programArguments(MAIN), 'store', '--file', join(directory, 'a.db'), '--json', ...args],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } },
  )
  const exited = once(child, 'exit') as Promise<[number | null]>
  const store: StoreProcess = {
    url: await firstUrl(child, exited),
    child,
    async end() {
      child.kill('SIGTERM')
      return (await exited)[0]
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
  running.push(store)
  return store
}

/** The URL of the first line, which is JSON. */
async function firstUrl(child: ChildProcess, exited: Promise<unknown>): Promise<string> {
  let text = ''
  const line = new Promise<string>((done) => {
    child.stdout?.on('data', (part: Buffer) => {
      text += part.toString()
      if (text.includes('\n')) done(text)
    })
  })
  const ended = exited.then(() => {
    throw new Error('The store server ended before it listened.')
  })
  const event = JSON.parse(await Promise.race([line, ended])) as { event: string; url: string }
  expect(event.event).toBe('listening')
  return event.url
}

function connect(store: StoreProcess, authToken?: string): Client {
  const client = createClient({ url: store.url, ...(authToken === undefined ? {} : { authToken }) })
  clients.push(client)
  return client
}

async function count(client: Client): Promise<unknown> {
  return (await client.execute('SELECT count(*) AS n FROM t')).rows[0]?.['n']
}

test('it serves a file, ends in order on SIGTERM, and serves the same file again', async () => {
  const first = await start()
  await connect(first).batch(['CREATE TABLE t (a)', 'INSERT INTO t VALUES (1)'], 'write')
  expect(await first.end()).toBe(0)
  expect(await count(connect(await start()))).toBe(1)
})

test('it ends with its input where it is told to', async () => {
  const store = await start(['--until-stdin-ends'])
  const exited = once(store.child, 'exit')
  store.child.stdin?.end()
  expect((await exited)[0]).toBe(0)
})

test('the token comes from the environment or a file', async () => {
  const token = 'a-token-of-the-test'
  const byName = await start(['--token-env', 'STORE_TOKEN'], { STORE_TOKEN: token })
  await connect(byName, token).execute('CREATE TABLE t (a)')
  await expect(connect(byName).execute('SELECT 1')).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
  })
  await byName.end()

  const file = join(directory, 'token')
  await writeFile(file, `${token}\n`, { mode: 0o600 })
  const byFile = await start(['--token-file', file])
  expect(await count(connect(byFile, token))).toBe(0)
})

test('killed in the middle of a transaction, it has nothing of it and everything before', async () => {
  const store = await start()
  const client = connect(store)
  await client.batch(['CREATE TABLE t (a)', 'INSERT INTO t VALUES (1)'], 'write')
  const transaction = await client.transaction('write')
  await transaction.execute("INSERT INTO t SELECT value FROM json_each('[1,2,3]')")
  await store.kill()
  await expect(transaction.execute('INSERT INTO t VALUES (9)')).rejects.toBeInstanceOf(Error)
  expect(await count(connect(await start()))).toBe(1)
})

test('killed under load, it has every write that it answered', async () => {
  const store = await start()
  const client = connect(store)
  await client.execute('CREATE TABLE t (a INTEGER PRIMARY KEY)')
  const answered: number[] = []
  let next = 0
  const writer = async (): Promise<void> => {
    for (;;) {
      const a = next++
      await client.execute({ sql: 'INSERT INTO t VALUES (?)', args: [BigInt(a)] })
      answered.push(a)
      if (answered.length === 100) await store.kill()
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: 4 }, writer))
  expect(ends.every((end) => end.status === 'rejected')).toBe(true)
  const { rows } = await connect(await start()).execute('SELECT a FROM t')
  const stored = new Set(rows.map((row) => row['a']))
  expect(answered.filter((a) => !stored.has(a))).toEqual([])
})

test('when the file can grow no more, writes fail in a typed way and reads go on', async () => {
  const client = connect(await start(['--max-bytes', '200000']))
  await client.execute('CREATE TABLE t (a)')
  await client.execute('INSERT INTO t VALUES (1)')
  const large = client.execute({ sql: 'INSERT INTO t VALUES (?)', args: [new Uint8Array(500_000)] })
  await expect(large).rejects.toMatchObject({ code: 'SQLITE_FULL' })
  const batch = client.batch(
    ['INSERT INTO t VALUES (2)', 'INSERT INTO t VALUES (zeroblob(500000))'],
    'write',
  )
  await expect(batch).rejects.toMatchObject({ code: 'SQLITE_FULL', statementIndex: 1 })
  expect(await count(client)).toBe(1)
  await client.execute('INSERT INTO t VALUES (3)')
  expect(await count(client)).toBe(2)
})
