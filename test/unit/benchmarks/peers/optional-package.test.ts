import { expect, test } from 'vitest'
import { loadPackage } from '../../../../benchmarks/peers/optional-package.ts'

test('a package that is not installed fails typed, and is named', async () => {
  // A name that the compiler does not look for.
  const name = ['no-such', 'package'].join('-')
  await expect(loadPackage(name, () => import(name))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(name) as string,
    details: { package: name },
  })
})

test('what a package itself fails with is passed on', async () => {
  const fault = new Error('it does not run on this machine')
  await expect(loadPackage('pg', () => Promise.reject(fault))).rejects.toBe(fault)
  const other = Object.assign(new Error(`Cannot find package 'inner' imported from pg`), {
    code: 'ERR_MODULE_NOT_FOUND',
  })
  await expect(loadPackage('pg', () => Promise.reject(other))).rejects.toBe(other)
})

test('a package that is there is given', async () => {
  expect(await loadPackage('pg', () => Promise.resolve({ a: 1 }))).toEqual({ a: 1 })
})
