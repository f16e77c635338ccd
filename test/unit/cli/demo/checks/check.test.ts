import { describe, expect, test } from 'vitest'
import {
  expectError,
  refute,
  runCheck,
  type CheckContext,
} from '../../../../../src/cli/demo/checks/check.ts'
import { MeridianError } from '../../../../../src/core/errors.ts'

const NO_CONTEXT = {} as CheckContext
const judged = async (run: () => Promise<string>): Promise<readonly [boolean, string]> => {
  const { passed, detail } = await runCheck({ name: 'it holds', run }, NO_CONTEXT)
  return [passed, detail]
}

test('a check passes with what it saw', async () => {
  expect(await judged(async () => 'seen')).toEqual([true, 'seen'])
})

test('a refuted claim fails with what was seen against it', async () => {
  expect(await judged(async () => refute('two rows'))).toEqual([false, 'two rows'])
})

test('an error in a check counts against it', async () => {
  const error = new MeridianError('NOT_FOUND', 'There is no row.')
  expect(await judged(async () => Promise.reject(error))).toEqual([
    false,
    'NOT_FOUND: There is no row.',
  ])
})

describe('a call that must fail', () => {
  const call = (outcome: () => Promise<unknown>): Promise<readonly [boolean, string]> =>
    judged(async () => {
      await expectError('RESIDENCY_DENIED', 'a read', outcome)
      return 'denied'
    })

  test('passes with the error that is expected', async () => {
    const denied = new MeridianError('RESIDENCY_DENIED', 'No.')
    expect(await call(async () => Promise.reject(denied))).toEqual([true, 'denied'])
  })

  test('refutes when it succeeds or fails in another way', async () => {
    expect(await call(async () => 'row')).toEqual([false, 'a read succeeded'])
    const other = new MeridianError('TENANT_NOT_FOUND', 'Who?')
    expect(await call(async () => Promise.reject(other))).toEqual([
      false,
      'a read failed with TENANT_NOT_FOUND',
    ])
  })
})
