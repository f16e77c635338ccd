/** What every driver of the KeyWrapper port must do. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KeyContext, KeyWrapper } from '../../src/core/ports/key-wrapper.ts'

/** A driver under test, with keys for `eu-west` and `us-east` and for no other region. */
export interface KeyWrapperSubject {
  readonly wrapper: KeyWrapper
  /** The same driver over the same keys, as after a restart; absent: its keys end with it. */
  reopen?(): Promise<KeyWrapper>
  close(): Promise<void>
}

const CONTEXT: KeyContext = {
  tenant: 'acme',
  region: 'eu-west',
  lineage: '0123abcd',
  generation: 1,
}

export function keyWrapperConformance(
  name: string,
  create: () => Promise<KeyWrapperSubject>,
): void {
  describe(`KeyWrapper: ${name}`, () => {
    let subject: KeyWrapperSubject
    const key = new Uint8Array(randomBytes(32))

    beforeEach(async () => {
      subject = await create()
    })
    afterEach(async () => {
      await subject.close()
    })

    test('names the regions that it has keys for', async () => {
      expect([...(await subject.wrapper.regions())].sort()).toEqual(['eu-west', 'us-east'])
    })

    test('unwraps what it wrapped, under the same context', async () => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      expect(await subject.wrapper.unwrap(wrapped, CONTEXT)).toEqual(key)
    })

    test('wrapping twice gives different bytes, and none contains the key', async () => {
      const [one, two] = await Promise.all([
        subject.wrapper.wrap(key, CONTEXT),
        subject.wrapper.wrap(key, CONTEXT),
      ])
      expect(one).not.toEqual(two)
      expect(Buffer.from(one).includes(Buffer.from(key))).toBe(false)
    })

    test('each call gives bytes of its own, which the caller may overwrite', async () => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      const first = await subject.wrapper.unwrap(wrapped, CONTEXT)
      first.fill(0)
      expect(await subject.wrapper.unwrap(wrapped, CONTEXT)).toEqual(key)
    })

    test.each<[string, Partial<KeyContext>]>([
      ['tenant', { tenant: 'other' }],
      ['lineage', { lineage: '0123abce' }],
      ['generation', { generation: 2 }],
    ])('another %s does not unwrap it', async (_, change) => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      const unwrapping = subject.wrapper.unwrap(wrapped, { ...CONTEXT, ...change })
      await expect(unwrapping).rejects.toMatchObject({ code: 'DECRYPT_FAILED' })
    })

    test('another region does not unwrap it', async () => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      const unwrapping = subject.wrapper.unwrap(wrapped, { ...CONTEXT, region: 'us-east' })
      await expect(unwrapping).rejects.toMatchObject({
        code: expect.stringMatching(/^(DECRYPT_FAILED|KEY_UNAVAILABLE)$/),
      })
    })

    test('a region without a key here neither wraps nor unwraps', async () => {
      const elsewhere = { ...CONTEXT, region: 'ap-south' }
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      for (const call of [
        subject.wrapper.wrap(key, elsewhere),
        subject.wrapper.unwrap(wrapped, elsewhere),
      ]) {
        await expect(call).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' })
      }
    })

    test('refuses a wrapped key with any byte changed, and any shorter one', async () => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      const forged = [...wrapped.keys()].flatMap((at) => {
        const changed = new Uint8Array(wrapped)
        changed[at] = (changed[at] as number) ^ 0x10
        return [changed, wrapped.slice(0, at)]
      })
      const codes = await Promise.all(
        forged.map(async (bytes) =>
          subject.wrapper.unwrap(bytes, CONTEXT).then(
            () => 'unwrapped',
            (error: { code: string }) => error.code,
          ),
        ),
      )
      // Where the bytes name their wrapping key, a changed name is one that is not here.
      const refusals = codes.filter((c) => c === 'DECRYPT_FAILED' || c === 'KEY_UNAVAILABLE')
      expect(refusals).toHaveLength(forged.length)
      expect(codes.at(-2)).toBe('DECRYPT_FAILED')
    })

    test('refuses to wrap a key of another length', async () => {
      const wrapping = subject.wrapper.wrap(new Uint8Array(16), CONTEXT)
      await expect(wrapping).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test('where its keys are kept, unwraps after a restart what it wrapped before', async () => {
      const wrapped = await subject.wrapper.wrap(key, CONTEXT)
      const after = subject.reopen === undefined ? subject.wrapper : await subject.reopen()
      expect(await after.unwrap(wrapped, CONTEXT)).toEqual(key)
    })
  })
}
