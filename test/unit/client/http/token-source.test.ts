import { expect, it } from 'vitest'
import { TokenSource } from '../../../../src/client/http/token-source.ts'

it('none is sent where none is configured', () => {
  const source = new TokenSource(undefined)
  expect(source.current()).toBeUndefined()
  expect(source.renew(undefined)).toBe(false)
})

it('a text is always the same, and is not renewed', async () => {
  const source = new TokenSource('abc.def-_=')
  const token = source.current()
  expect(await token).toBe('abc.def-_=')
  expect(source.renew(token)).toBe(false)
})

it('a function is asked once for all who ask together, and once more for all who were refused', async () => {
  let asked = 0
  const source = new TokenSource(async () => `t${++asked}`)
  const [first, same] = [source.current(), source.current()]
  expect(await first).toBe('t1')
  expect(await same).toBe('t1')
  expect(source.renew(first)).toBe(true)
  const renewed = source.current()
  // Refused with the first token, told after the second was asked for.
  expect(source.renew(same)).toBe(true)
  expect(await source.current()).toBe('t2')
  expect(await renewed).toBe('t2')
  expect(asked).toBe(2)
})

it('a function that fails is asked again by the next call', async () => {
  let asked = 0
  const source = new TokenSource(() => {
    if (++asked === 1) throw new Error('no token server')
    return 'abc'
  })
  await expect(source.current()).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
    retry: 'safe',
    cause: { message: 'no token server' },
  })
  expect(await source.current()).toBe('abc')
})

it.each(['', 'Bearer canary', 'canary\n', 'canäry', 7, null])(
  'what is no token is refused unsent and unprinted: %j',
  async (given) => {
    const source = new TokenSource(() => given as string)
    const error: unknown = await source.current()?.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never' })
    expect(String(error)).not.toContain('canar')
  },
)
