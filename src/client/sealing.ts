/**
 * Field encryption at the client's edge: seals what goes out, opens what comes back. Tables without
 * encrypted columns pass untouched.
 */
import type { RowImage } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import type { CellChange, WriteOp } from '../core/operations.ts'
import { sameValue, type SqlRow, type SqlValue } from '../core/values.ts'
import { isCell, parseCell } from '../crypto/cell.ts'
import { FieldCipher } from '../crypto/field-cipher.ts'
import type { KeyDirectory } from '../crypto/key-directory.ts'
import { TenantKeys } from '../crypto/tenant-keys.ts'
import type { CompiledColumn, CompiledTable, EncryptedCell } from '../schema/compiled.ts'
import { fromStored } from '../schema/convert.ts'
import type { ListPredicate } from '../core/list-query.ts'
import type { BodyOf, ResponseValues } from '../protocol/messages.ts'
import { Session } from '../session/session.ts'
import type { Deployment } from './connect.ts'
import { isTransient, isTransientWrite } from './connection.ts'
import type { ClientContext } from './context.ts'
import type { EncryptedMatch } from './list.ts'

/** What sealing is made of. */
export interface SealingOptions {
  readonly context: ClientContext
  readonly deployment: Pick<Deployment, 'keyWrapper' | 'cipherSuite'>
  readonly region: string
}

export class Sealing {
  readonly #context: ClientContext
  readonly #cipher: FieldCipher | undefined
  readonly #hasEncrypted: boolean

  constructor(options: SealingOptions) {
    const { context, deployment, region } = options
    this.#context = context
    this.#hasEncrypted = context.parts.schema.tables.some((table) => table.encrypted.length > 0)
    const wrapper = deployment.keyWrapper(region)
    if (!this.#hasEncrypted || wrapper === undefined) return
    const { clock, random } = context.parts.connection.runtime
    const suite = deployment.cipherSuite
    const directory = keyDirectory(context)
    const decryptRegions = (tenant: string): Promise<readonly string[]> =>
      tenant === '' ? wrapper.regions() : permittedRegions(context, tenant)
    const keys = new TenantKeys({
      region,
      directory,
      wrapper,
      suite,
      clock,
      random,
      decryptRegions,
    })
    this.#cipher = new FieldCipher({ keys, suite, random })
  }

  /** Encrypts what operations write to encrypted columns. */
  seal(tenant: string, ops: readonly WriteOp[]): Promise<readonly WriteOp[]> | readonly WriteOp[] {
    if (!this.#hasEncrypted) return ops
    return Promise.all(ops.map((op) => this.#sealOp(tenant, op)))
  }

  /** Decrypts the encrypted columns of row images. */
  open(
    tenant: string,
    table: CompiledTable,
    images: readonly RowImage[],
  ): Promise<readonly RowImage[]> | readonly RowImage[] {
    if (table.encrypted.length === 0 || images.length === 0) return images
    return this.#requireCipher().decryptImages(tenant, table, images)
  }

  /**
   * The public values of rows whose columns come from `sources` (undefined: an expression). A cell
   * decrypts wherever it stands, since it says itself where it belongs.
   */
  async openRows(
    tenant: string,
    rows: readonly SqlRow[],
    sources: readonly (CompiledColumn | undefined)[],
  ): Promise<readonly (readonly unknown[])[]> {
    const cells: Uint8Array[] = []
    if (this.#hasEncrypted) {
      for (const row of rows) {
        row.forEach((value, i) => {
          if (isSealed(value, sources[i])) cells.push(value)
        })
      }
    }
    const opened =
      cells.length === 0 ? [] : await this.#requireCipher().decryptValues(tenant, cells)
    let at = 0
    return rows.map((row) =>
      row.map((value, i) => {
        const source = sources[i]
        if (cells.length === 0 || !isSealed(value, source)) {
          return source === undefined ? value : fromStored(source, value)
        }
        const column = source ?? this.#columnOf(cells[at] as Uint8Array)
        const stored = opened[at++] ?? null
        return column === undefined ? stored : fromStored(column, stored)
      }),
    )
  }

  /** The predicates that find rows by exact matches of encrypted columns. */
  async blindPredicates(
    tenant: string,
    table: CompiledTable,
    matches: readonly EncryptedMatch[],
  ): Promise<readonly ListPredicate[]> {
    return Promise.all(
      matches.map(async ({ column, plaintext }) => {
        const value = plaintext as Exclude<SqlValue, null>
        const blind = await this.#requireCipher().blindIndex(tenant, table, column, value)
        return {
          column: encryptedCell(table, column).blindIndex as number,
          op: '=',
          values: [blind],
        }
      }),
    )
  }

  /** Whether a decrypted row really has the values that were asked for. */
  matches(table: CompiledTable, image: RowImage, matches: readonly EncryptedMatch[]): boolean {
    return matches.every(({ column, plaintext }) =>
      sameValue(image[encryptedCell(table, column).valueIndex] ?? null, plaintext),
    )
  }

  /**
   * What operations say, for the comparison of two uses of an idempotency key. Encryption is never
   * twice the same, so encrypted values are represented by their keyed fingerprints.
   */
  async fingerprint(tenant: string, ops: readonly WriteOp[]): Promise<unknown> {
    if (!this.#hasEncrypted) return ops
    return Promise.all(
      ops.map(async (op) => {
        const table = this.#table(op.table)
        if (op.kind === 'delete' || table.encrypted.length === 0) return op
        if (op.kind === 'update') {
          const cells = op.cells.map(async ({ column, op: cellOp }) => {
            const cell = table.encrypted.find((c) => c.valueIndex === column)
            if (cell === undefined || cellOp.kind !== 'set') return [column, cellOp]
            return [column, await this.#mark(tenant, table, cell, cellOp.value)]
          })
          return { ...op, cells: await Promise.all(cells) }
        }
        return {
          ...op,
          rows: await Promise.all(op.rows.map((r) => this.#markRow(tenant, table, r))),
        }
      }),
    )
  }

  async #markRow(tenant: string, table: CompiledTable, row: RowImage): Promise<RowImage> {
    const marked = [...row]
    for (const cell of table.encrypted) {
      const value = row[cell.valueIndex] ?? null
      marked[cell.valueIndex] = await this.#mark(tenant, table, cell, value)
    }
    return marked
  }

  async #mark(
    tenant: string,
    table: CompiledTable,
    cell: EncryptedCell,
    value: SqlValue,
  ): Promise<SqlValue> {
    if (value === null) return null
    return this.#requireCipher().blindIndex(tenant, table, cell.column, value)
  }

  async #sealOp(tenant: string, op: WriteOp): Promise<WriteOp> {
    const table = this.#table(op.table)
    if (table.encrypted.length === 0 || op.kind === 'delete') return op
    if (op.kind !== 'update') {
      return { ...op, rows: await this.#requireCipher().encryptImages(tenant, table, op.rows) }
    }
    const plain = op.cells.flatMap(({ column, op: cellOp }) => {
      const cell = table.encrypted.find((c) => c.valueIndex === column)
      return cell === undefined || cellOp.kind !== 'set' ? [] : [{ cell, value: cellOp.value }]
    })
    if (plain.length === 0) return op
    const sealed = await this.#requireCipher().encryptCells(
      tenant,
      table,
      plain.map(({ cell, value }) => ({ key: op.key, column: cell.column, value })),
    )
    const replaced = new Set(plain.map(({ cell }) => cell.valueIndex))
    const cells: CellChange[] = op.cells.filter(({ column }) => !replaced.has(column))
    plain.forEach(({ cell }, i) => {
      cells.push({ column: cell.valueIndex, op: { kind: 'set', value: sealed[i]?.cell ?? null } })
      if (cell.blindIndex === null) return
      cells.push({ column: cell.blindIndex, op: { kind: 'set', value: sealed[i]?.blind ?? null } })
    })
    return { ...op, cells }
  }

  #columnOf(bytes: Uint8Array): CompiledColumn | undefined {
    const cell = parseCell(bytes)
    if (cell === undefined) return undefined
    return this.#context.parts.schema.tableById.get(cell.tableId)?.columnById.get(cell.columnId)
  }

  #table(id: number): CompiledTable {
    return this.#context.parts.schema.tableById.get(id) as CompiledTable
  }

  #requireCipher(): FieldCipher {
    if (this.#cipher !== undefined) return this.#cipher
    throw new MeridianError('KEYS_NOT_CONFIGURED', 'Encrypted columns need keys.', {
      fix: 'Configure a keyring, or `keys: { kind: development }` for local work.',
    })
  }
}

function encryptedCell(table: CompiledTable, column: CompiledColumn): EncryptedCell {
  return table.encrypted.find((cell) => cell.column.id === column.id) as EncryptedCell
}

/**
 * Whether a value must be decrypted. A plain column may hold any bytes, also those that look like
 * a cell; what an encrypted column holds counts only when it authenticates.
 */
function isSealed(value: SqlValue, source: CompiledColumn | undefined): value is Uint8Array {
  if (source === undefined) return isCell(value)
  if (source.encrypted === null || value === null) return false
  if (value instanceof Uint8Array) return true
  throw new MeridianError('DECRYPT_FAILED', `\`${source.name}\` holds a value in plain text.`, {
    fix: 'It was not written by a client: restore the row from a backup.',
  })
}

async function permittedRegions(
  context: ClientContext,
  tenant: string,
): Promise<readonly string[]> {
  const { connection, router } = context.parts
  const call = connection.begin('keys', new Session(), undefined)
  const { regions } = await connection.bound(call, () =>
    connection.retry(call, isTransient, () => router.tenant(tenant, call)),
  )
  return regions
}

/**
 * Wrapped keys live in the directory, which the client reaches through its node. Callers share what
 * is fetched here, so it has a deadline of its own.
 */
function keyDirectory(context: ClientContext): KeyDirectory {
  const { connection } = context.parts
  const ask = async <K extends 'keys' | 'createKeys'>(
    body: BodyOf<K>,
    retryable: (error: MeridianError) => boolean,
  ): Promise<ResponseValues[K]> => {
    const call = connection.begin('keys', new Session(), undefined)
    const { value } = await connection.bound(call, () =>
      connection.retry(call, retryable, () => connection.send<K>(connection.region, body, call)),
    )
    return value
  }
  return {
    get: (tenant, fresh) => ask<'keys'>({ kind: 'keys', tenant, fresh }, isTransient),
    create: (tenant, keys) =>
      ask<'createKeys'>({ kind: 'createKeys', tenant, keys }, isTransientWrite),
  }
}
