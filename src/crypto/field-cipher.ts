/** Field encryption as the client uses it: whole row images, query results, lookups. */
import { MeridianError } from '../core/errors.ts'
import { NONCE_BYTES, type AeadSuite } from '../core/ports/aead-suite.ts'
import type { Random } from '../core/ports/runtime.ts'
import { sameBytes, type SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledTable, EncryptedCell } from '../schema/compiled.ts'
import { blindIndexMessage, blindIndexOf } from './blind-index.ts'
import { encodeCell, encodeRowKey, parseCell, type Cell } from './cell.ts'
import { associatedData, encodeHeader, parseEnvelope, type Envelope } from './envelope.ts'
import type { TenantKey } from './keyring.ts'
import { decodePlaintext, encodePlaintext } from './plaintext.ts'
import type { TenantKeys } from './tenant-keys.ts'

/** A value of an encrypted column, in its stored form, and the key of its row. */
export interface PlainCell {
  readonly key: readonly SqlValue[]
  readonly column: CompiledColumn
  readonly value: SqlValue
}

/** What is stored of a value: both are NULL for NULL, `blind` also without a blind index. */
export interface StoredCell {
  readonly cell: Uint8Array | null
  readonly blind: Uint8Array | null
}

/** What a field cipher is made of. */
export interface FieldCipherOptions {
  readonly keys: TenantKeys
  readonly suite: AeadSuite
  readonly random: Random
  /** For tests alone: leaves out one protection, so that a test can show that it notices. */
  readonly mutant?: 'row-key-not-authenticated' | 'location-not-checked'
}

const NONCES_A_DRAW = 1024

/** Encrypts and decrypts the fields of tenants. Batches succeed or fail as a whole. */
export class FieldCipher {
  readonly #options: FieldCipherOptions

  constructor(options: FieldCipherOptions) {
    this.#options = options
  }

  /**
   * Replaces plaintext in encrypted columns by cells and fills their blind indexes. NULL stays
   * NULL: whether a value is there is not hidden. Columns that are not encrypted pass.
   * @throws MeridianError `INVALID_VALUE`, `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async encryptImages(
    tenant: string,
    table: CompiledTable,
    images: readonly (readonly SqlValue[])[],
  ): Promise<SqlValue[][]> {
    const results = images.map((image) => [...image])
    const places = placesOf(table, results)
    const stored = await this.encryptCells(
      tenant,
      table,
      places.map(({ image, column, valueIndex }) => ({
        key: keyOf(table, image),
        column,
        value: image[valueIndex] ?? null,
      })),
    )
    for (const [i, { image, valueIndex, blindIndex }] of places.entries()) {
      const { cell, blind } = stored[i] as StoredCell
      image[valueIndex] = cell
      if (blindIndex !== null) image[blindIndex] = blind
    }
    return results
  }

  /**
   * Encrypts single values, for updates.
   * @throws MeridianError `INVALID_VALUE`, `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async encryptCells(
    tenant: string,
    table: CompiledTable,
    cells: readonly PlainCell[],
  ): Promise<StoredCell[]> {
    const present = cells.filter(hasValue)
    if (present.length === 0) return cells.map(() => ({ cell: null, blind: null }))
    const key = await this.#options.keys.forEncryption(tenant)
    const sealed = await this.#seal(tenant, table, key, present)
    const blinds = await this.#blindIndexes(tenant, table, present)
    let next = 0
    return cells.map((cell) => {
      if (!hasValue(cell)) return { cell: null, blind: null }
      const stored = { cell: sealed[next] as Uint8Array, blind: blinds[next] ?? null }
      next += 1
      return stored
    })
  }

  /**
   * Replaces cells in encrypted columns by their plaintext; blind indexes stay as they are.
   * @throws MeridianError `DECRYPT_FAILED` when a cell was changed, comes from another tenant,
   *   table, column or row, or is no cell at all; `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async decryptImages(
    tenant: string,
    table: CompiledTable,
    images: readonly (readonly SqlValue[])[],
  ): Promise<SqlValue[][]> {
    const results = images.map((image) => [...image])
    const places = placesOf(table, results).filter(
      ({ image, valueIndex }) => (image[valueIndex] ?? null) !== null,
    )
    const cells = places.map(({ image, column, valueIndex }) => {
      const rowKey = encodeRowKey(table, keyOf(table, image))
      const expected = { tableId: table.id, columnId: column.id, rowKey }
      return this.#cellAt(image[valueIndex] as SqlValue, expected)
    })
    const values = await this.#open(tenant, cells)
    for (const [i, { image, valueIndex }] of places.entries()) {
      image[valueIndex] = values[i] as SqlValue
    }
    return results
  }

  /**
   * Decrypts cells wherever a query put them. Their tenant is checked, but not their row and
   * column: a result's columns have no place that they must come from.
   * @throws MeridianError `DECRYPT_FAILED`, `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async decryptValues(tenant: string, cells: readonly Uint8Array[]): Promise<SqlValue[]> {
    return this.#open(
      tenant,
      cells.map((bytes) => parseCell(bytes) ?? refuse()),
    )
  }

  /**
   * The blind index under which a value is found. Compare again after decryption.
   * @throws MeridianError `INVALID_VALUE`, `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async blindIndex(
    tenant: string,
    table: CompiledTable,
    column: CompiledColumn,
    value: Exclude<SqlValue, null>,
  ): Promise<Uint8Array> {
    const key = await this.#options.keys.forBlindIndex(tenant)
    const mac = await key.blindMac(table.id, column.id)
    const [signature] = await mac.sign([blindIndexMessage(column, value)])
    return blindIndexOf(signature as Uint8Array)
  }

  async #seal(
    tenant: string,
    table: CompiledTable,
    key: TenantKey,
    cells: readonly PresentCell[],
  ): Promise<Uint8Array[]> {
    const header = encodeHeader(this.#options.suite.id, key.id)
    const nonces = this.#nonces(cells.length)
    const places = cells.map(({ column, key: rowKey }) => ({
      tableId: table.id,
      columnId: column.id,
      rowKey: encodeRowKey(table, rowKey),
    }))
    const sealed = await key.cells.encrypt(
      cells.map(({ column, value }, i) => ({
        nonce: nonces[i] as Uint8Array,
        plaintext: encodePlaintext(column, value),
        associatedData: this.#associatedData(header, tenant, places[i] as Place),
      })),
    )
    return sealed.map((bytes, i) =>
      encodeCell(places[i] as Place, [header, nonces[i] as Uint8Array, bytes]),
    )
  }

  async #blindIndexes(
    tenant: string,
    table: CompiledTable,
    cells: readonly PresentCell[],
  ): Promise<(Uint8Array | undefined)[]> {
    const blinds: (Uint8Array | undefined)[] = cells.map(() => undefined)
    const indexed = new Map<CompiledColumn, number[]>()
    for (const [i, { column }] of cells.entries()) {
      if (column.encrypted?.lookup === 'exact') pushTo(indexed, column, i)
    }
    if (indexed.size === 0) return blinds
    const key = await this.#options.keys.forBlindIndex(tenant)
    for (const [column, at] of indexed) {
      const mac = await key.blindMac(table.id, column.id)
      const signatures = await mac.sign(
        at.map((i) => blindIndexMessage(column, (cells[i] as PresentCell).value)),
      )
      for (const [n, i] of at.entries()) blinds[i] = blindIndexOf(signatures[n] as Uint8Array)
    }
    return blinds
  }

  async #open(tenant: string, cells: readonly Cell[]): Promise<SqlValue[]> {
    const envelopes = cells.map((cell) => this.#envelopeOf(cell))
    const byKey = new Map<string, number[]>()
    for (const [i, { keyId }] of envelopes.entries()) {
      pushTo(byKey, `${keyId.lineage}.${keyId.generation}`, i)
    }
    const values: SqlValue[] = cells.map(() => null)
    for (const at of byKey.values()) {
      const { keyId } = envelopes[at[0] as number] as Envelope
      const key = (await this.#options.keys.forDecryption(tenant, keyId)) ?? refuse()
      const opened = await key.cells.decrypt(
        at.map((i) => {
          const { header, nonce, sealed } = envelopes[i] as Envelope
          const data = this.#associatedData(header, tenant, cells[i] as Cell)
          return { nonce, sealed, associatedData: data }
        }),
      )
      for (const [n, i] of at.entries()) {
        values[i] = decodePlaintext(opened[n] ?? refuse()) ?? refuse()
      }
    }
    return values
  }

  #cellAt(value: SqlValue, expected: Place): Cell {
    const cell = (value instanceof Uint8Array ? parseCell(value) : undefined) ?? refuse()
    if (this.#options.mutant === 'location-not-checked') return cell
    const inPlace =
      cell.tableId === expected.tableId &&
      cell.columnId === expected.columnId &&
      sameBytes(cell.rowKey, expected.rowKey)
    return inPlace ? cell : refuse()
  }

  #envelopeOf(cell: Cell): Envelope {
    const envelope = parseEnvelope(cell.envelope) ?? refuse()
    return envelope.suite === this.#options.suite.id ? envelope : refuse()
  }

  #associatedData(header: Uint8Array, tenant: string, place: Place): Uint8Array {
    const { tableId, columnId } = place
    const mutant = this.#options.mutant === 'row-key-not-authenticated'
    const rowKey = mutant ? new Uint8Array(0) : place.rowKey
    return associatedData(header, { tenant, tableId, columnId, rowKey })
  }

  #nonces(count: number): Uint8Array[] {
    const nonces: Uint8Array[] = []
    while (nonces.length < count) {
      const drawn = Math.min(NONCES_A_DRAW, count - nonces.length)
      const bytes = this.#options.random.bytes(drawn * NONCE_BYTES)
      for (let i = 0; i < drawn; i++) {
        nonces.push(bytes.subarray(i * NONCE_BYTES, (i + 1) * NONCE_BYTES))
      }
    }
    return nonces
  }
}

type Place = Pick<Cell, 'tableId' | 'columnId' | 'rowKey'>
type PresentCell = PlainCell & { readonly value: Exclude<SqlValue, null> }

interface ImagePlace extends EncryptedCell {
  readonly image: SqlValue[]
}

/** The places of encrypted values in images, row by row. */
function placesOf(table: CompiledTable, images: readonly SqlValue[][]): ImagePlace[] {
  return images.flatMap((image) => table.encrypted.map((cell) => ({ ...cell, image })))
}

/** The row's key, which is written in clear into every cell. */
function keyOf(table: CompiledTable, image: readonly SqlValue[]): SqlValue[] {
  return table.primaryKey.map(({ id }) => image[table.valueIndex.get(id) ?? -1] ?? null)
}

function hasValue(cell: PlainCell): cell is PresentCell {
  return cell.value !== null
}

function pushTo<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** One error, with one text, for everything that does not authenticate: no oracle. */
function refuse(): never {
  throw new MeridianError('DECRYPT_FAILED', 'An encrypted value could not be authenticated.', {
    fix: 'It was changed, moved, or written by another deployment: restore it from a backup.',
  })
}
