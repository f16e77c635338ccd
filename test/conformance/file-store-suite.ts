/** What every store that is a file of this machine must do besides the Store port. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Store } from '../../src/core/ports/store.ts'
import type { FileStoreOptions } from '../../src/drivers/store/file-store.ts'
import { startChild } from './support/child.ts'
import { failureOf, until } from './support/failure.ts'
import { tempFolder } from './support/temp-folder.ts'

/** The options of a file store that the suite sets. */
export type SuiteOptions = Omit<FileStoreOptions, 'timers' | 'writer'>

const IDENTITY = { applicationId: 0x4d52444e, format: 3 }
const TABLE = 'CREATE TABLE item (k INTEGER PRIMARY KEY, v BLOB) STRICT'

/** `writer`: how the killed child opens its store. */
export function describeFileStoreSuite(
  name: string,
  writer: string,
  openStore: (options: SuiteOptions) => Promise<Store>,
): void {
  const open = async (options: SuiteOptions): Promise<Store> => {
    const store = await openStore(options)
    onTestFinished(() => store.close())
    return store
  }
  const newPath = (): string => join(tempFolder(), 'a store?%41#.db')
  const write = (store: Store, sql: string): Promise<unknown> => store.write([{ sql, args: [] }])
  const count = async (store: Store): Promise<unknown> =>
    (await store.read([{ sql: 'SELECT count(*) FROM item', args: [] }]))[0]?.rows[0]?.[0]

  describe(`${name}: durability`, () => {
    test('every commit is forced to the disk before it is acknowledged', async () => {
      const store = await open({ path: newPath() })
      const results = await store.write(
        ['PRAGMA synchronous', 'PRAGMA journal_mode', 'PRAGMA foreign_keys'].map((sql) => ({
          sql,
          args: [],
        })),
      )
      expect(results.map((result) => result.rows[0]?.[0])).toEqual([2, 'wal', 1])
    })

    test('what was acknowledged is there after a close and an open', async () => {
      const path = newPath()
      const first = await open({ path })
      await write(first, TABLE)
      await write(first, 'INSERT INTO item (k) VALUES (1), (2)')
      await first.close()
      expect(await count(await open({ path }))).toBe(2)
    })

    test('a process killed while it writes loses no acknowledged row and doubles none', async () => {
      const path = newPath()
      const child = startChild('killed-writer.ts', path, writer)
      await until(() => child.lines.length >= 500)
      await child.kill()
      const acknowledged = child.lines.map(Number)
      const store = await open({ path })
      const [all] = await store.read([{ sql: 'SELECT n FROM acked', args: [] }])
      const stored = (all?.rows ?? []).map((row) => Number(row[0]))
      expect(new Set(stored).size).toBe(stored.length)
      expect(acknowledged.filter((n) => !new Set(stored).has(n))).toEqual([])
      expect(stored.length).toBeGreaterThanOrEqual(500)
    })
  })

  describe(`${name}: one process a file`, () => {
    test('a second open in this process is refused, the first goes on', async () => {
      const path = newPath()
      const first = await open({ path })
      await write(first, TABLE)
      const error = await failureOf(openStore({ path }))
      expect(error).toMatchObject({ code: 'STORE_LOCKED', details: { path } })
      expect(String(error)).toContain(path)
      await write(first, 'INSERT INTO item (k) VALUES (1)')
      expect(await count(first)).toBe(1)
    })

    test('a file that another process has open is refused until that process is gone', async () => {
      const path = newPath()
      const child = startChild('killed-writer.ts', path, writer)
      await until(() => child.lines.length > 0)
      expect(await failureOf(openStore({ path }))).toMatchObject({ code: 'STORE_LOCKED' })
      await child.kill()
      await open({ path })
    })

    test('a refused open leaves no lock behind', async () => {
      const path = newPath()
      writeFileSync(path, 'not a database, but quite long enough to be taken for one: '.repeat(99))
      expect(await failureOf(openStore({ path }))).toMatchObject({ code: 'STORE_CORRUPT' })
      expect(await failureOf(openStore({ path }))).toMatchObject({ code: 'STORE_CORRUPT' })
    })

    test('another program that writes to the file is waited for', async () => {
      const path = newPath()
      const store = await open({ path })
      await write(store, TABLE)
      const other = new Database(path)
      other.exec('BEGIN IMMEDIATE')
      const waiting = [
        write(store, 'INSERT INTO item (k) VALUES (1)'),
        write(store, 'INSERT INTO item (k) VALUES (2)'),
      ]
      await new Promise((resolve) => setTimeout(resolve, 50))
      other.exec('COMMIT')
      await Promise.all(waiting)
      expect(await count(store)).toBe(2)
      other.close()
    })

    test('another program that keeps the file fails the write, not the store', async () => {
      const path = newPath()
      const store = await open({ path, busyTimeoutMs: 30 })
      await write(store, TABLE)
      const other = new Database(path)
      other.exec('BEGIN IMMEDIATE')
      const error = await failureOf(write(store, 'INSERT INTO item (k) VALUES (1)'))
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'safe' })
      other.exec('COMMIT')
      other.close()
      await write(store, 'INSERT INTO item (k) VALUES (2)')
      expect(await count(store)).toBe(1)
    })
  })

  describe(`${name}: files that it refuses`, () => {
    const expectRefused = async (path: string, code: string): Promise<void> => {
      const before = hashes(path)
      const error = await failureOf(openStore({ path, ...IDENTITY }))
      expect(error).toMatchObject({ code, retry: 'never', details: { path } })
      expect((error as { fix?: string }).fix).toBeTruthy()
      expect(hashes(path)).toEqual(before)
    }

    /** A database of the engine's own making. */
    const makeDatabase = (path: string, ...statements: string[]): void => {
      const db = new Database(path)
      for (const sql of statements) db.exec(sql)
      db.close()
    }

    test('a file that is no database is left as it is', async () => {
      for (const bytes of [
        'x',
        'no database '.repeat(1000),
        `SQLite format 3\0${'x'.repeat(9000)}`,
      ]) {
        const path = newPath()
        writeFileSync(path, bytes)
        await expectRefused(path, 'STORE_CORRUPT')
      }
    })

    test('a store that was cut short is left as it is', async () => {
      const path = newPath()
      const store = await openStore({ path, ...IDENTITY })
      await write(store, TABLE)
      await store.write([
        { sql: 'INSERT INTO item VALUES (1, ?)', args: [new Uint8Array(100_000)] },
      ])
      await store.close()
      truncateSync(path, readFileSync(path).length / 2)
      await expectRefused(path, 'STORE_CORRUPT')
    })

    test('another application’s database is left as it is', async () => {
      for (const journal of ['DELETE', 'WAL']) {
        for (const applicationId of [0, 77]) {
          const path = newPath()
          makeDatabase(
            path,
            `PRAGMA journal_mode = ${journal}`,
            `PRAGMA application_id = ${applicationId}`,
            TABLE,
          )
          await expectRefused(path, 'STORE_FOREIGN')
        }
      }
    })

    test('another application’s database in use, log and all, is left as it is', async () => {
      const path = newPath()
      const other = new Database(path)
      other.exec('PRAGMA journal_mode = WAL')
      other.exec(TABLE)
      await expectRefused(path, 'STORE_FOREIGN')
      other.close()
    })

    test('a store of a newer format is left as it is', async () => {
      const path = newPath()
      makeDatabase(
        path,
        `PRAGMA application_id = ${IDENTITY.applicationId}`,
        `PRAGMA user_version = ${IDENTITY.format + 1}`,
        TABLE,
      )
      await expectRefused(path, 'STORE_NEWER')
    })

    test('a fresh file gets its marks, and an empty one counts as fresh', async () => {
      for (const prepare of [() => {}, (path: string) => writeFileSync(path, '')]) {
        const path = newPath()
        prepare(path)
        const store = await open({ path, ...IDENTITY })
        const marks = await store.read(
          ['PRAGMA application_id', 'PRAGMA user_version'].map((sql) => ({ sql, args: [] })),
        )
        expect(marks.map((result) => result.rows[0]?.[0])).toEqual([
          IDENTITY.applicationId,
          IDENTITY.format,
        ])
      }
    })

    test('a folder, or a file in a missing folder, cannot be opened', async () => {
      const folder = join(tempFolder(), 'folder')
      mkdirSync(folder)
      for (const path of [folder, join(folder, 'missing', 'store.db')]) {
        expect(await failureOf(openStore({ path }))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
      }
    })
  })

  describe(`${name}: limits`, () => {
    test('a full disk fails the write that does not fit and nothing of it stays', async () => {
      const store = await open({ path: newPath(), maxFileBytes: 256 * 1024 })
      await write(store, TABLE)
      const insert = (k: number, bytes: number): Promise<unknown> =>
        store.write([
          { sql: 'INSERT INTO item (k) VALUES (?)', args: [1000 + k] },
          { sql: 'INSERT INTO item VALUES (?, ?)', args: [k, new Uint8Array(bytes)] },
        ])
      const settled = await Promise.allSettled([
        insert(1, 10),
        insert(2, 1024 * 1024),
        insert(3, 10),
      ])
      expect(settled.map((outcome) => outcome.status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ])
      expect(settled[1]).toMatchObject({ reason: { code: 'STORE_FULL' } })
      expect(await count(store)).toBe(4)
      await insert(4, 10)
      expect(await count(store)).toBe(6)
    })

    test('writes beyond the queue’s limit are shed, the others are written', async () => {
      const store = await open({ path: newPath(), maxQueuedWrites: 50 })
      await write(store, TABLE)
      const settled = await Promise.allSettled(
        Array.from({ length: 80 }, (_, k) => write(store, `INSERT INTO item (k) VALUES (${k})`)),
      )
      const shed = settled.filter((outcome) => outcome.status === 'rejected')
      expect(shed).toHaveLength(30)
      for (const { reason } of shed) {
        expect(reason).toMatchObject({ code: 'OVERLOADED', retry: 'safe' })
      }
      expect(await count(store)).toBe(50)
    })
  })
}

/** The files of a database, byte for byte; `-shm` is memory that readers share, not data. */
function hashes(path: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const suffix of ['', '-wal', '-journal']) {
    if (!existsSync(path + suffix)) continue
    found[suffix] = createHash('sha256')
      .update(readFileSync(path + suffix))
      .digest('hex')
  }
  return found
}
