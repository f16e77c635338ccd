import { createSecretKey, webcrypto } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { webAeadSuite, webXaesCipher } from '../../src/crypto/web-suite.ts'
import { nodeAeadSuite, nodeXaesCipher } from '../../src/drivers/keys/node-suite.ts'
import { aeadSuiteConformance } from './aead-suite-suite.ts'

aeadSuiteConformance('node:crypto', {
  suite: nodeAeadSuite,
  cipherOf: async (key) => nodeXaesCipher(createSecretKey(key)),
})

aeadSuiteConformance('WebCrypto', {
  suite: webAeadSuite,
  cipherOf: async (key) =>
    webXaesCipher(await webcrypto.subtle.importKey('raw', key, 'AES-CBC', false, ['encrypt'])),
})

describe('the two implementations', () => {
  const secret = new Uint8Array(32).fill(9)
  const info = new Uint8Array([1, 2, 3])
  const item = {
    nonce: new Uint8Array(24).fill(7),
    plaintext: new Uint8Array(300).fill(1),
    associatedData: new Uint8Array(40).fill(2),
  }

  test('encrypt to the same bytes and read each other', async () => {
    const [node, web] = await Promise.all(
      [nodeAeadSuite, webAeadSuite].map(async (suite) => {
        const key = await suite.importKey(new Uint8Array(secret))
        return { cells: await key.deriveCellCipher(info), mac: await key.deriveMac(info) }
      }),
    )
    const [byNode] = (await node!.cells.encrypt([item])) as [Uint8Array]
    const [byWeb] = (await web!.cells.encrypt([item])) as [Uint8Array]
    expect(new Uint8Array(byNode)).toEqual(byWeb)
    const [read] = await web!.cells.decrypt([{ ...item, sealed: byNode }])
    expect(read).toEqual(item.plaintext)
    const signed = await Promise.all([node!.mac.sign([info]), web!.mac.sign([info])])
    expect(new Uint8Array(signed[0][0]!)).toEqual(signed[1][0])
  })
})
