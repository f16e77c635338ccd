/**
 * libSQL alone, on a file of its own: what a read, a write at home, a durable transaction and a
 * bulk load cost at least. The bare client with the statements that Meridian itself runs.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client, InStatement } from '@libsql/client'
import type { Statement } from '../../src/core/ports/store.ts'
import { anyReadId, rowsToRead, valueOf } from '../cells/rows.ts'
import type { Operation } from '../measure/loop.ts'
import { bind, libsqlFailure, makeFolder, ONE_DISK, openLibsqlClient } from './libsql-client.ts'
import { makeLibsqlStore, type LibsqlStore, type PinnedWriteKind } from './libsql-store.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** Where its files are. */
export interface LibsqlPeerOptions {
  /** On the disk that is measured; a folder of its own is made in it, and removed at the end. */
  readonly directory: string
  /** The region that it stands in, for results. */
  readonly region: string
}

/** libSQL on one disk. */
export interface LibsqlPeer extends Peer {
  /** Of the store with Meridian's tables. */
  readonly path: string
  /** Of the file with plain tables. */
  readonly plainPath: string
  /** Of the table that `pointRead` and `pinnedWrite` are on. */
  readonly physicalName: string
  /** One row by its key: the statement of Meridian's point read. */
  pointRead(): PeerOperation
  /**
   * The statements of a pinned write of one row in one batch: the stamp, the check of the home, the
   * outcome, the row, its entry in the outbox by a trigger, and the position. An insert adds a row;
   * an upsert replaces one of those that are there, an update adds to its number.
   */
  pinnedWrite(kind?: PinnedWriteKind): PeerOperation
  /** One durable transaction in a plain table, which replaces one of its rows by an upsert. */
  rowTransaction(): PeerOperation
  /**
   * Rows in one transaction by one statement, into a plain table: the fastest way that the engine
   * has. Rows a second are calls a second times `BULK_ROWS`.
   */
  bulkInsert(): PeerOperation
}

/** Rows of one call of `bulkInsert`. */
export const BULK_ROWS = 1_000

/** Calls of `bulkInsert` after which its table is emptied: the disk is not without end. */
const BULK_CALLS_KEPT = 200
const VALUE_LENGTH = 100
const ONE_ROW = `INSERT INTO plain (id, value, amount) VALUES (?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET value = excluded.value, amount = excluded.amount`
const MANY_ROWS = `INSERT INTO bulk (id, value, amount)
  SELECT ? || (value->>0), value->>1, value->>2 FROM json_each(?)`

/**
 * Makes the files.
 *
 * @throws MeridianError `CONFIG_INVALID` without the package `@libsql/client`, `STORE_UNAVAILABLE`
 */
export async function openLibsqlPeer(options: LibsqlPeerOptions): Promise<LibsqlPeer> {
  const folder = await makeFolder(options.directory, 'peer-libsql')
  const clients: Client[] = []
  const close = async (): Promise<void> => {
    for (const client of clients) client.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const store = await makeLibsqlStore(folder)
    const own = await openLibsqlClient(store.path)
    clients.push(own)
    const plainPath = join(folder, 'plain.db')
    const plain = await openLibsqlClient(plainPath)
    clients.push(plain)
    await plain.batch(['plain', 'bulk'].map(createTable), 'write')
    const filling = rowsToRead().map((row) => replaceRow(row.id, row.amount))
    await plain.batch(filling, 'write')
    const { rows } = await own.execute(`SELECT 'SQLite ' || sqlite_version()`)
    const version = rows[0]?.[0] as string
    return new OpenLibsqlPeer(options.region, { store, own, plain, plainPath, version, close })
  } catch (error) {
    await close()
    throw libsqlFailure(error, folder)
  }
}

interface OpenedFiles {
  readonly store: LibsqlStore
  readonly own: Client
  readonly plain: Client
  readonly plainPath: string
  readonly version: string
  close(): Promise<void>
}

class OpenLibsqlPeer implements LibsqlPeer {
  readonly name = 'libsql'
  readonly version: string
  readonly path: string
  readonly plainPath: string
  readonly physicalName: string
  readonly operations: readonly PeerOperation[]
  readonly #region: string
  readonly #files: OpenedFiles
  #names = 0

  constructor(region: string, files: OpenedFiles) {
    this.#region = region
    this.#files = files
    this.version = files.version
    this.path = files.store.path
    this.plainPath = files.plainPath
    this.physicalName = files.store.physicalName
    this.operations = [
      this.pointRead(),
      this.pinnedWrite('insert'),
      this.pinnedWrite('update'),
      this.rowTransaction(),
      this.bulkInsert(),
    ]
  }

  pointRead(): PeerOperation {
    const { store, own } = this.#files
    return this.#operation('point read', async (index) => {
      const { rows } = await own.execute(bound(store.pointRead(store.rowIdAt(index))))
      if (rows.length !== 1) throw new Error('the row is not there')
      return undefined
    })
  }

  pinnedWrite(kind: PinnedWriteKind = 'insert'): PeerOperation {
    const { store, own } = this.#files
    const fill = store.pinnedWrite(kind)
    return this.#operation(`pinned ${kind}`, async (index) => {
      const txId = this.#name('tx')
      const rowId = kind === 'insert' ? txId : store.rowIdAt(index)
      const names = { txId, rowId, value: valueOf(index), hlc: store.clock.next() }
      const statements = fill(names)
      await own.batch(statements.map(bound), 'write')
      return undefined
    })
  }

  rowTransaction(): PeerOperation {
    const { plain } = this.#files
    return this.#operation('transaction of one row', async (index) => {
      await plain.execute(replaceRow(anyReadId(index), index))
      return undefined
    })
  }

  bulkInsert(): PeerOperation {
    const { plain } = this.#files
    const rows = Array.from({ length: BULK_ROWS }, (_, i) => [i, 'v'.repeat(VALUE_LENGTH), i])
    const json = JSON.stringify(rows)
    const operation: Operation = async (index) => {
      if (index % BULK_CALLS_KEPT === 0) await plain.execute('DELETE FROM bulk')
      const startMs = performance.now()
      await plain.execute({ sql: MANY_ROWS, args: [this.#name('bulk-'), json] })
      return { latencyMs: performance.now() - startMs }
    }
    const load = { loop: 'closed', concurrency: 1 } as const
    return { ...this.#operation(`bulk insert of ${BULK_ROWS} rows`, operation), load }
  }

  close(): Promise<void> {
    return this.#files.close()
  }

  #operation(op: string, operation: Operation): PeerOperation {
    return {
      op,
      origin: this.#region,
      home: this.#region,
      durability: ONE_DISK,
      networkMs: 0,
      sharesThread: true,
      operation: async (index) => {
        try {
          return await operation(index)
        } catch (error) {
          throw libsqlFailure(error, this.path)
        }
      },
    }
  }

  #name(prefix: string): string {
    return `${prefix}${++this.#names}-`
  }
}

function createTable(name: string): string {
  return `CREATE TABLE ${name} (id TEXT PRIMARY KEY, value TEXT NOT NULL, amount INTEGER NOT NULL)
    STRICT, WITHOUT ROWID`
}

/** The upsert of a row of the plain table. */
function replaceRow(id: string, index: number): { sql: string; args: (string | bigint)[] } {
  return { sql: ONE_ROW, args: [id, valueOf(index), BigInt(index)] }
}

function bound({ sql, args }: Statement): InStatement {
  return { sql, args: args.map(bind) }
}
