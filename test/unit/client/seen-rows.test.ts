/** What a transaction's commit depends on of the rows that it has read. */
import { beforeEach, describe, expect, it } from 'vitest'
import { SeenRows, type ReadRow } from '../../../src/client/seen-rows.ts'
import { ReadSet } from '../../../src/client/transaction-conflicts.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import { columnDigest } from '../../../src/session/column-digest.ts'
import { account, accounts, columnAt, schema } from '../../support/strong-region.ts'

const [email, balance, ratio] = ['email', 'balance', 'ratio'].map((name) =>
  columnAt(accounts, name),
) as [number, number, number]
const image = account('a', { email: 'x', balance: 1, ratio: 0.5 })
const row: ReadRow = { version: 'v1', image, stored: image }
const absent: ReadRow = { version: null, image: undefined, stored: undefined }

/** The row with a later version. */
function later(values: Parameters<typeof account>[1]): ReadRow {
  const changed = account('a', { email: 'x', balance: 1, ratio: 0.5, ...values })
  return { version: 'v2', image: changed, stored: changed }
}

let reads: ReadSet
let seen: SeenRows
beforeEach(() => {
  reads = new ReadSet(schema)
  seen = new SeenRows(reads)
})

function guard(...columns: number[]): object {
  const digest = columnDigest(accounts, columns, image)
  return { table: accounts.id, key: ['a'], columns, digest }
}

describe('a row of which columns were read', () => {
  beforeEach(() => seen.fetched(accounts, ['a'], row))

  it('has one guard of all columns that were ever named', () => {
    seen.depend(accounts, ['a'], [ratio])
    seen.depend(accounts, ['a'], [email, email])
    seen.depend(accounts, ['a'], [ratio])
    expect(reads.checks).toEqual([guard(email, ratio)])
  })

  it('is guarded as a whole once it was read so, in the same place', () => {
    seen.depend(accounts, ['a'], [ratio])
    seen.fetched(accounts, ['b'], absent)
    seen.depend(accounts, ['b'], 'all')
    seen.depend(accounts, ['a'], 'all')
    seen.depend(accounts, ['a'], [email])
    expect(reads.checks).toEqual([
      { table: accounts.id, key: ['a'], version: 'v1' },
      { table: accounts.id, key: ['b'], version: null },
    ])
  })

  it('counts as there where none was named', () => {
    seen.depend(accounts, ['a'], [])
    expect(reads.checks).toEqual([guard()])
  })

  it('is guarded by its absence where it was not there', () => {
    seen.fetched(accounts, ['b'], absent)
    seen.depend(accounts, ['b'], [email])
    expect(reads.checks).toEqual([{ table: accounts.id, key: ['b'], version: null }])
  })

  it('is guarded as it is stored, not as it was decrypted', () => {
    seen.fetched(accounts, ['a'], { ...row, image: account('a', { email: 'decrypted' }) })
    seen.depend(accounts, ['a'], [email])
    expect(reads.checks).toEqual([guard(email)])
    expect(seen.image(accounts, ['a'])?.[email]).toBe('decrypted')
  })

  it('agrees with a range that has a later version of it, where they are as they were', () => {
    seen.depend(accounts, ['a'], [email])
    expect(seen.agrees(accounts, ['a'], later({ balance: 9 }))).toBe(true)
    expect(seen.agrees(accounts, ['a'], later({ email: 'y' }))).toBe(false)
    expect(seen.agrees(accounts, ['a'], row)).toBe(true)
    seen.depend(accounts, ['a'], 'all')
    expect(seen.agrees(accounts, ['a'], later({ balance: 9 }))).toBe(false)
  })

  it('is what the range has from then on, which guards it', () => {
    seen.depend(accounts, ['a'], [email])
    seen.listed(accounts, ['a'], later({ balance: 9 }))
    seen.depend(accounts, ['a'], 'all')
    expect(seen.image(accounts, ['a'])?.[balance]).toBe(9)
    expect(reads.checks).toEqual([guard(email)])
  })

  it('is named with them in a conflict', () => {
    seen.depend(accounts, ['a'], [ratio, email])
    const error = new MeridianError('CONFLICT', 'x', { details: { reads: [0] } })
    expect(reads.conflictsOf(error)).toEqual([
      { table: 'accounts', key: 'a', columns: ['email', 'ratio'] },
    ])
  })
})
