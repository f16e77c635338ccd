import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { isCell, parseCell } from '../../../src/crypto/cell.ts'
import { webAeadSuite } from '../../../src/crypto/web-suite.ts'
import { nodeAeadSuite } from '../../../src/drivers/keys/node-suite.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import {
  columnOf,
  keyWrapper,
  MemoryDirectory,
  random,
  regionOf,
  REGIONS,
  tableOf,
} from './support.ts'

const residents = tableOf('residents')
const email = columnOf(residents, 'email')
const phone = columnOf(residents, 'phone')
const EMAIL = 2
const EMAIL_BLIND = 3
const PHONE = 4
const PHONE_BLIND = 5
const INCOME = 6
const image = (id: string, mail: SqlValue = 'ann@example.org'): SqlValue[] => [
  id,
  41,
  mail,
  null,
  '+44 20',
  null,
  52_000,
]
const FAILED = { code: 'DECRYPT_FAILED', message: expect.stringContaining('authenticated') }

describe('images', () => {
  test('come back as they were, with their blind indexes', async () => {
    const { fields } = regionOf()
    const images = [image('r1'), image('r2', null), image('r3', '')]
    const stored = await fields.encryptImages('acme', residents, images)
    const read = await fields.decryptImages('acme', residents, stored)
    for (const [i, row] of read.entries()) {
      expect(row.toSpliced(EMAIL_BLIND, 1).toSpliced(PHONE_BLIND - 1, 1)).toEqual(
        images[i]?.toSpliced(EMAIL_BLIND, 1).toSpliced(PHONE_BLIND - 1, 1),
      )
    }
  })

  test('hold cells in encrypted columns and leave the others alone', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    expect(stored?.slice(0, 2)).toEqual(['r1', 41])
    for (const at of [EMAIL, PHONE, INCOME]) expect(isCell(stored?.[at] as SqlValue)).toBe(true)
    const everything = Buffer.concat(stored!.filter((v) => v instanceof Uint8Array))
    expect(everything.includes('ann@')).toBe(false)
    expect(everything.includes('+44')).toBe(false)
  })

  test('the arguments are not changed', async () => {
    const { fields } = regionOf()
    const images = [image('r1')]
    const stored = await fields.encryptImages('acme', residents, images)
    expect(images).toEqual([image('r1')])
    const copy = structuredClone(stored)
    await fields.decryptImages('acme', residents, stored)
    expect(stored).toEqual(copy)
  })

  test('NULL stays NULL, and takes its blind index with it', async () => {
    const { fields } = regionOf()
    const row = image('r1', null)
    row[EMAIL_BLIND] = new Uint8Array(16)
    const [stored] = await fields.encryptImages('acme', residents, [row])
    expect(stored?.[EMAIL]).toBeNull()
    expect(stored?.[EMAIL_BLIND]).toBeNull()
  })

  test('without an encrypted value need no key', async () => {
    const directory = new MemoryDirectory()
    const { fields } = regionOf({ directory })
    const plain = [['p1', 'note']]
    const empty = [['r1', 41, null, null, null, null, null]]
    expect(await fields.encryptImages('acme', tableOf('plain'), plain)).toEqual(plain)
    expect(await fields.decryptImages('acme', tableOf('plain'), plain)).toEqual(plain)
    expect(await fields.encryptImages('acme', residents, empty)).toEqual(empty)
    expect(await fields.decryptImages('acme', residents, empty)).toEqual(empty)
    expect(await fields.decryptValues('acme', [])).toEqual([])
    expect(directory.asked).toEqual([])
  })

  test('equal values give different cells, and one image encrypted twice differs', async () => {
    const { fields } = regionOf()
    const once = await fields.encryptImages('acme', residents, [image('r1'), image('r2')])
    const twice = await fields.encryptImages('acme', residents, [image('r1')])
    const sealed = [once[0], once[1], twice[0]].map(
      (row) => parseCell(row?.[EMAIL] as Uint8Array)?.envelope.subarray(10) as Uint8Array,
    )
    expect(new Set(sealed.map((bytes) => Buffer.from(bytes).toString('hex'))).size).toBe(3)
  })

  test('what WebCrypto encrypts, node:crypto decrypts, and the other way round', async () => {
    const parts = { directory: new MemoryDirectory(), wrapper: keyWrapper() }
    const node = regionOf({ ...parts, suite: nodeAeadSuite }).fields
    const web = regionOf({ ...parts, suite: webAeadSuite }).fields
    const [byNode] = await node.encryptImages('acme', residents, [image('r1')])
    const [byWeb] = await web.encryptImages('acme', residents, [image('r1')])
    expect(byNode?.[EMAIL_BLIND]).toEqual(byWeb?.[EMAIL_BLIND])
    for (const [reader, row] of [
      [node, byWeb!],
      [web, byNode!],
    ] as const) {
      const [read] = await reader.decryptImages('acme', residents, [row])
      expect(read?.[EMAIL]).toBe('ann@example.org')
      expect(read?.[INCOME]).toBe(52_000)
    }
  })

  test('old generations still decrypt after a rotation, beside the new one', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const before = regionOf({ directory, wrapper }).fields
    const [old] = await before.encryptImages('acme', residents, [image('r1')])
    await directory.rotate('acme', wrapper, REGIONS)
    const after = regionOf({ directory, wrapper }).fields
    const [young] = await after.encryptImages('acme', residents, [image('r2')])
    expect(young?.[EMAIL_BLIND]).toEqual(old?.[EMAIL_BLIND])
    // The region that has not seen the rotation reads both in one batch.
    const read = await before.decryptImages('acme', residents, [old!, young!])
    expect(read.map((row) => row[EMAIL])).toEqual(['ann@example.org', 'ann@example.org'])
  })
})

describe('single cells and query results', () => {
  test('an update encrypts for its row, and the row reads it', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    const [changed, removed] = await fields.encryptCells('acme', residents, [
      { key: ['r1'], column: email, value: 'bob@example.org' },
      { key: ['r1'], column: phone, value: null },
    ])
    expect(removed).toEqual({ cell: null, blind: null })
    const row = stored!.with(EMAIL, changed!.cell).with(EMAIL_BLIND, changed!.blind)
    const [read] = await fields.decryptImages('acme', residents, [row])
    expect(read?.[EMAIL]).toBe('bob@example.org')
    const found = await fields.blindIndex('acme', residents, email, 'bob@example.org')
    expect(changed!.blind).toEqual(found)
  })

  test('a column without a lookup gets no blind index', async () => {
    const { fields } = regionOf()
    const income = columnOf(residents, 'income')
    const cells = [{ key: ['r1'], column: income, value: 1 }]
    expect((await fields.encryptCells('acme', residents, cells))[0]?.blind).toBeNull()
  })

  test('cells decrypt wherever a query put them', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    const cells = [stored![INCOME], stored![EMAIL]].filter((v) => isCell(v ?? null))
    expect(await fields.decryptValues('acme', cells as Uint8Array[])).toEqual([
      52_000,
      'ann@example.org',
    ])
  })
})

describe('what does not authenticate is refused, with one error', () => {
  test('any changed byte of a cell, header and coordinates included', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    const cell = stored?.[EMAIL] as Uint8Array
    for (let at = 0; at < cell.length; at++) {
      const forged = new Uint8Array(cell)
      forged[at] = (forged[at] as number) ^ 1
      const row = stored!.with(EMAIL, forged)
      await expect(fields.decryptImages('acme', residents, [row])).rejects.toMatchObject(FAILED)
      await expect(fields.decryptValues('acme', [forged])).rejects.toMatchObject(FAILED)
    }
  })

  test('any truncation, and anything appended', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    const cell = stored?.[EMAIL] as Uint8Array
    const forged = [
      ...Array.from(cell, (_, length) => cell.slice(0, length)),
      Uint8Array.of(...cell, 0),
    ]
    for (const bytes of forged) {
      await expect(fields.decryptValues('acme', [bytes])).rejects.toMatchObject(FAILED)
    }
  })

  test.each<[string, SqlValue]>([
    ['text', 'ann@example.org'],
    ['number', 5],
    ['bytes', new Uint8Array(80)],
    ['empty bytes', new Uint8Array(0)],
  ])('a bare value in an encrypted column: %s', async (_, bare) => {
    const { fields } = regionOf()
    await expect(
      fields.decryptImages('acme', residents, [image('r1').with(PHONE, null).with(EMAIL, bare)]),
    ).rejects.toMatchObject(FAILED)
  })

  test('a cell of another tenant, in a deployment that has both', async () => {
    const { fields } = regionOf()
    const [stored] = await fields.encryptImages('acme', residents, [image('r1')])
    await fields.encryptImages('other', residents, [image('r1')])
    await expect(fields.decryptImages('other', residents, [stored!])).rejects.toMatchObject(FAILED)
  })

  test('a key that the directory does not know', async () => {
    const [stored] = await regionOf().fields.encryptImages('acme', residents, [image('r1')])
    const { fields } = regionOf()
    await expect(fields.decryptImages('acme', residents, [stored!])).rejects.toMatchObject(FAILED)
  })

  test('no error names the plaintext, a key or a row', async () => {
    const wrapper = keyWrapper()
    const { fields } = regionOf({ wrapper })
    const [stored] = await fields.encryptImages('acme', residents, [image('canary-row')])
    const errors = await Promise.all(
      [
        fields.decryptImages('acme', residents, [stored!.with(EMAIL, stored![PHONE]!)]),
        fields.decryptImages('acme', residents, [stored!.with(EMAIL, 'canary-bare')]),
        fields.encryptImages('acme', residents, [image('canary-row').with(INCOME, 'canary-type')]),
        fields.encryptImages('acme', residents, [image('r', 'canary-text\ud800')]),
        fields.blindIndex('acme', residents, email, new Uint8Array(Buffer.from('canary-blind'))),
      ].map(async (call) =>
        call.then(
          () => 'passed',
          (error: unknown) => error,
        ),
      ),
    )
    expect(errors.map((error) => (error as { code: string }).code)).toEqual([
      'DECRYPT_FAILED',
      'DECRYPT_FAILED',
      'INVALID_VALUE',
      'INVALID_VALUE',
      'INVALID_VALUE',
    ])
    const text = errors.map((error) => inspect(error, { depth: 10, showHidden: true })).join('\n')
    expect(text).not.toMatch(/canary|63616e617279|Y2FuYXJ5/)
  })
})

describe('nonces', () => {
  test('are never used twice, over 30,000 cells', async () => {
    const { fields } = regionOf()
    const images = Array.from({ length: 10_000 }, (_, i) => image(`r${i}`))
    const stored = await fields.encryptImages('acme', residents, images)
    const nonces = stored.flatMap((row) =>
      [EMAIL, PHONE, INCOME].map((at) => {
        const cell = parseCell(row[at] as Uint8Array)
        return Buffer.from(cell!.envelope.subarray(10, 34)).toString('hex')
      }),
    )
    expect(new Set(nonces).size).toBe(30_000)
  })

  test('repeat when the source of randomness does: it must be the operating system’s', async () => {
    const repeating = { ...random, bytes: (length: number) => new Uint8Array(length).fill(3) }
    const { fields } = regionOf({ random: repeating })
    const stored = await fields.encryptImages('acme', residents, [image('r1'), image('r1')])
    expect(stored[0]).toEqual(stored[1])
  })
})
