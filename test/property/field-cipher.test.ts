/**
 * Any two stored cells, swapped: decryption refuses both. An attacker who can write the store also
 * knows the format, so that besides swapping whole cells it moves envelopes under the coordinates
 * that are expected at their new place. Two mutants show that each protection is needed.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isErrorCode } from '../../src/core/errors.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { encodeCell, parseCell } from '../../src/crypto/cell.ts'
import type { FieldCipher } from '../../src/crypto/field-cipher.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { regionOf, tableOf } from '../unit/crypto/support.ts'

interface Place {
  readonly tenant: string
  readonly table: CompiledTable
  readonly image: readonly SqlValue[]
  readonly at: number
}

const VALUE_PLACES = { residents: [2, 4], patients: [2] }

/** Every encrypted text of two tenants, two tables and three rows, with equal values among them. */
async function storedCells(fields: FieldCipher): Promise<Place[]> {
  const places: Place[] = []
  for (const tenant of ['acme', 'other']) {
    for (const name of ['residents', 'patients'] as const) {
      const table = tableOf(name)
      const rows = ['r1', 'r2', '1'].map((id) =>
        name === 'residents' ? [id, 1, 'same', null, id, null, null] : [id, 1, 'same', null],
      )
      const images = await fields.encryptImages(tenant, table, rows)
      for (const image of images) {
        for (const at of VALUE_PLACES[name]) places.push({ tenant, table, image, at })
      }
    }
  }
  return places
}

/** What is put at `to`: the cell of `from` as it is, or with the coordinates that `to` expects. */
function moved(from: Place, to: Place, rewrites: boolean): Uint8Array {
  const bytes = from.image[from.at] as Uint8Array
  if (!rewrites) return bytes
  const { envelope } = parseCell(bytes)!
  return encodeCell(parseCell(to.image[to.at] as Uint8Array)!, [envelope])
}

async function isRefused(fields: FieldCipher, from: Place, to: Place, rewrites: boolean) {
  const image = to.image.with(to.at, moved(from, to, rewrites))
  try {
    await fields.decryptImages(to.tenant, to.table, [image])
    return false
  } catch (error) {
    if (isErrorCode(error, 'DECRYPT_FAILED')) return true
    throw error
  }
}

async function checkSwaps(fields: FieldCipher): Promise<void> {
  const places = await storedCells(fields)
  const index = fc.nat({ max: places.length - 1 })
  const property = fc.asyncProperty(index, index, fc.boolean(), async (a, b, rewrites) => {
    fc.pre(a !== b)
    const [one, two] = [places[a]!, places[b]!]
    expect(await isRefused(fields, one, two, rewrites)).toBe(true)
    expect(await isRefused(fields, two, one, rewrites)).toBe(true)
  })
  await fc.assert(property, { numRuns: 500 })
}

describe('any two cells, swapped', () => {
  test('are refused, whatever row, column, table or tenant they come from', async () => {
    await expect(checkSwaps(regionOf().fields)).resolves.toBeUndefined()
  })

  test('where they belong, all of them are read', async () => {
    const { fields } = regionOf()
    for (const { tenant, table, image } of await storedCells(fields)) {
      const [read] = await fields.decryptImages(tenant, table, [image])
      expect(read?.[2]).toBe('same')
    }
  })

  test.each(['row-key-not-authenticated', 'location-not-checked'] as const)(
    'the check goes red on a cipher with the fault %s',
    async (mutant) => {
      await expect(checkSwaps(regionOf({ mutant }).fields)).rejects.toThrow(/Property failed/)
    },
  )
})
