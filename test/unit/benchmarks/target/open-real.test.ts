/** Who leads the commit log of a target, and where there can be none. */
import { expect, test, vi } from 'vitest'
import { leadFrom, requireDistances } from '../../../../benchmarks/target/open-real.ts'

test('without distances between members of etcd there is no target, and the error says what to do', () => {
  expect(() => requireDistances(false)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', fix: expect.stringContaining('root') }),
  )
  expect(() => requireDistances(true)).not.toThrow()
})

test('leadership is moved to where it is asked for', async () => {
  let leader = 'us'
  const moveLeader = vi.fn<(to: string) => Promise<void>>(async (to) => void (leader = to))
  expect(await leadFrom('eu', { leaderOf: async () => leader, moveLeader })).toBe('eu')
  expect(await leadFrom('eu', { leaderOf: async () => leader, moveLeader })).toBe('eu')
  expect(moveLeader).toHaveBeenCalledTimes(1)
})

test('an election under way is waited for', async () => {
  let asked = 0
  const leaderOf = async (): Promise<string | undefined> => (++asked < 3 ? undefined : 'eu')
  const moveLeader = async (): Promise<void> => {
    throw new Error('there is no leader')
  }
  expect(await leadFrom('eu', { leaderOf, moveLeader })).toBe('eu')
})
