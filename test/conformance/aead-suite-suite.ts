/** What every implementation of the AEAD suite port must do. */
import { createHash, createHmac } from 'node:crypto'
import { gcm, cmac } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AeadSuite, CellCipher } from '../../src/core/ports/aead-suite.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')
const flipped = (data: Uint8Array, at: number): Uint8Array => {
  const copy = new Uint8Array(data)
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

/** Both vectors of c2sp.org/XAES-256-GCM: the two branches of the subkey's doubling. */
const VECTORS = [
  {
    key: '01'.repeat(32),
    associatedData: '',
    sealed: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271',
  },
  {
    key: '03'.repeat(32),
    associatedData: 'c2sp.org/XAES-256-GCM',
    sealed: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
  },
]

/** The specification's hash over 10,000 random messages. */
const ACCUMULATED_10_000 = 'e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939'

export interface AeadSuiteSubject {
  readonly suite: AeadSuite
  /** XAES-256-GCM under a key that is given, for published vectors. */
  cipherOf(key: Uint8Array): Promise<CellCipher>
}

export function aeadSuiteConformance(name: string, subject: AeadSuiteSubject): void {
  describe(`AeadSuite: ${name}`, () => {
    describe('XAES-256-GCM', () => {
      xaesTests(subject)
    })
    describe('keys', () => {
      keyTests(subject.suite)
    })
  })
}

function xaesTests(subject: AeadSuiteSubject): void {
  const cipherOf = async (key: Uint8Array): Promise<CellCipher> => subject.cipherOf(key)
  const item = {
    nonce: bytes('ABCDEFGHIJKLMNOPQRSTUVWX'),
    plaintext: bytes('XAES-256-GCM'),
    associatedData: bytes('context'),
  }

  test.each(VECTORS)('gives the published vector of key $key', async (vector) => {
    const cipher = await cipherOf(unhex(vector.key))
    const message = { ...item, associatedData: bytes(vector.associatedData) }
    const [sealed] = await cipher.encrypt([message])
    expect(hex(sealed as Uint8Array)).toBe(vector.sealed)
    const [opened] = await cipher.decrypt([{ ...message, sealed: unhex(vector.sealed) }])
    expect(hex(opened as Uint8Array)).toBe(hex(item.plaintext))
  })

  // 100,000 calls into the platform where it is WebCrypto: 5 s when nothing else runs.
  const LONG = { timeout: 120_000 }
  test('gives the accumulated hash of the specification over 10,000 messages', LONG, async () => {
    const random = shake128Stream(10_000 * (32 + 24 + 2 + 2 * 255))
    const digest = createHash('shake128', { outputLength: 32 })
    for (let i = 0; i < 10_000; i++) {
      const cipher = await cipherOf(random(32))
      const nonce = random(24)
      const plaintext = random(random(1)[0] as number)
      const associatedData = random(random(1)[0] as number)
      const [sealed] = await cipher.encrypt([{ nonce, plaintext, associatedData }])
      const [opened] = await cipher.decrypt([
        { nonce, sealed: sealed as Uint8Array, associatedData },
      ])
      if (hex(opened as Uint8Array) !== hex(plaintext)) throw new Error(`message ${i} differs`)
      digest.update(sealed as Uint8Array)
    }
    expect(digest.digest('hex')).toBe(ACCUMULATED_10_000)
  })

  test('agrees with CMAC and GCM of an independent implementation', async () => {
    const message = fc.record({
      key: fixedBytes(32),
      nonce: fixedBytes(24),
      plaintext: fc.uint8Array({ maxLength: 100 }),
      associatedData: fc.uint8Array({ maxLength: 100 }),
    })
    await fc.assert(
      fc.asyncProperty(message, async ({ key, ...plain }) => {
        const [sealed] = await (await cipherOf(key)).encrypt([plain])
        expect(hex(sealed as Uint8Array)).toBe(hex(independentXaes(key, plain)))
      }),
      { numRuns: 50 },
    )
  })

  test('refuses every flipped bit, tag by tag and byte by byte', async () => {
    const cipher = await cipherOf(unhex('05'.repeat(32)))
    const [sealed] = (await cipher.encrypt([item])) as [Uint8Array]
    const forged = [
      ...Array.from(sealed, (_, at) => ({ ...item, sealed: flipped(sealed, at) })),
      ...Array.from(item.nonce, (_, at) => ({ ...item, sealed, nonce: flipped(item.nonce, at) })),
      ...Array.from(item.associatedData, (_, at) => ({
        ...item,
        sealed,
        associatedData: flipped(item.associatedData, at),
      })),
    ]
    expect(await cipher.decrypt(forged)).toEqual(forged.map(() => undefined))
  })

  test('refuses every truncation: short tags never pass', async () => {
    const cipher = await cipherOf(unhex('06'.repeat(32)))
    const [sealed] = (await cipher.encrypt([item])) as [Uint8Array]
    const cut = Array.from(sealed, (_, length) => ({ ...item, sealed: sealed.slice(0, length) }))
    expect(await cipher.decrypt(cut)).toEqual(cut.map(() => undefined))
  })

  test('an empty plaintext is authenticated too', async () => {
    const cipher = await cipherOf(unhex('07'.repeat(32)))
    const empty = { ...item, plaintext: new Uint8Array(0) }
    const [sealed] = (await cipher.encrypt([empty])) as [Uint8Array]
    expect(sealed).toHaveLength(16)
    const [opened, refused] = await cipher.decrypt([
      { ...empty, sealed },
      { ...empty, sealed, associatedData: bytes('other') },
    ])
    expect(opened).toHaveLength(0)
    expect(refused).toBeUndefined()
  })

  test('a batch keeps its order, and one forgery spoils only its own place', async () => {
    const cipher = await cipherOf(unhex('08'.repeat(32)))
    const items = Array.from({ length: 700 }, (_, i) => ({
      nonce: new Uint8Array(24).fill(i % 251, 0, 12).fill(i >> 2, 12),
      plaintext: bytes(`message ${i}`),
      associatedData: bytes(`place ${i}`),
    }))
    const sealed = await cipher.encrypt(items)
    sealed[300] = flipped(sealed[300] as Uint8Array, 0)
    const opened = await cipher.decrypt(
      items.map((it, i) => ({ ...it, sealed: sealed[i] as Uint8Array })),
    )
    const texts = opened.map((it) => it && Buffer.from(it).toString())
    expect(texts).toEqual(items.map((_, i) => (i === 300 ? undefined : `message ${i}`)))
  })
}

function keyTests(suite: AeadSuite): void {
  test('carries suite number 1', () => {
    expect(suite.id).toBe(1)
  })

  test('derives HMAC keys as HKDF-SHA-256 with an empty salt does', async () => {
    const key = await suite.importKey(unhex('0b'.repeat(32)))
    const mac = await key.deriveMac(bytes('info'))
    const signed = await mac.sign([bytes('one'), bytes('two')])
    const hmac = (secret: Uint8Array, message: Uint8Array): Uint8Array =>
      createHmac('sha256', secret).update(message).digest()
    // RFC 5869, written out: extract, then the first block of expand.
    const extracted = hmac(new Uint8Array(32), unhex('0b'.repeat(32)))
    const subkey = hmac(extracted, Uint8Array.of(...bytes('info'), 1))
    const expected = ['one', 'two'].map((message) => hex(hmac(subkey, bytes(message))))
    expect(signed.map(hex)).toEqual(expected)
  })

  test('different labels give unrelated keys', async () => {
    const key = await suite.importKey(unhex('0c'.repeat(32)))
    const item = { nonce: new Uint8Array(24), associatedData: bytes(''), plaintext: bytes('x') }
    const [one, two] = await Promise.all([
      key.deriveCellCipher(bytes('one')),
      key.deriveCellCipher(bytes('two')),
    ])
    const [sealed] = (await one.encrypt([item])) as [Uint8Array]
    expect(await two.decrypt([{ ...item, sealed }])).toEqual([undefined])
    expect((await one.decrypt([{ ...item, sealed }]))[0]).toBeDefined()
  })

  test('a key outlives the bytes that it was imported from', async () => {
    const secret = unhex('0d'.repeat(32))
    const kept = await suite.importKey(secret)
    const again = await suite.importKey(new Uint8Array(secret))
    secret.fill(0)
    const signatures = await Promise.all(
      [kept, again].map(async (key) => (await key.deriveMac(bytes('l'))).sign([bytes('m')])),
    )
    expect(signatures[0]).toEqual(signatures[1])
  })
}

function fixedBytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length })
}

/** The specification's deterministic source of randomness. */
function shake128Stream(length: number): (count: number) => Uint8Array {
  const stream = createHash('shake128', { outputLength: length }).digest()
  let at = 0
  return (count) => {
    at += count
    return new Uint8Array(stream.subarray(at - count, at))
  }
}

function independentXaes(
  key: Uint8Array,
  plain: { nonce: Uint8Array; plaintext: Uint8Array; associatedData: Uint8Array },
): Uint8Array {
  const half = (counter: number): Uint8Array =>
    cmac(Uint8Array.of(0, counter, 0x58, 0, ...plain.nonce.subarray(0, 12)), key)
  const subkey = Uint8Array.of(...half(1), ...half(2))
  return gcm(subkey, plain.nonce.subarray(12), plain.associatedData).encrypt(plain.plaintext)
}
