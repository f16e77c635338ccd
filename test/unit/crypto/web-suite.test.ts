import { afterEach, expect, test, vi } from 'vitest'
import { webAeadSuite } from '../../../src/crypto/web-suite.ts'
import { regionOf, tableOf } from './support.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('every key, the derived ones too, is non-extractable', async () => {
  const imported = vi.spyOn(crypto.subtle, 'importKey')
  const derived = vi.spyOn(crypto.subtle, 'deriveKey')
  const { fields } = regionOf({ suite: webAeadSuite })
  const images = [['r1', 1, 'ann@example.org', null, null, null, 5]]
  const stored = await fields.encryptImages('acme', tableOf('residents'), images)
  await fields.decryptImages('acme', tableOf('residents'), stored)
  const keys = await Promise.all(
    [...imported.mock.results, ...derived.mock.results].map((r) => r.value),
  )
  expect(keys.length).toBeGreaterThanOrEqual(5)
  expect(keys.map((key: CryptoKey) => key.extractable)).toEqual(keys.map(() => false))
})

test('a fault of the platform is no failed authentication', async () => {
  const key = await webAeadSuite.importKey(new Uint8Array(32))
  const cipher = await key.deriveCellCipher(new Uint8Array(1))
  const item = { nonce: new Uint8Array(24), associatedData: new Uint8Array(0) }
  const [sealed] = await cipher.encrypt([{ ...item, plaintext: new Uint8Array(3) }])
  vi.spyOn(crypto.subtle, 'decrypt').mockRejectedValue(new Error('platform fault'))
  const decrypting = cipher.decrypt([{ ...item, sealed: sealed as Uint8Array }])
  await expect(decrypting).rejects.toThrow('platform fault')
})
