import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { EtcdConnection } from '../../../../src/drivers/etcd/etcd-connection.ts'
import type { EtcdCall } from '../../../../src/drivers/etcd/etcd-endpoint.ts'
import { callError, EtcdCallError, STATUS } from '../../../../src/drivers/etcd/etcd-errors.ts'
import { moveEtcdLeader } from '../../../../src/drivers/etcd/etcd-leadership.ts'
import { failureOf } from '../../../conformance/support/failure.ts'

const IDS = ['a', 'b', 'c']
const TIMEOUT_MS = 5_000
const TOLD_MS = 10

/** Whom each member takes for the leader; `null`: it does not answer. */
type Views = (string | null)[]

/** Members that answer as a test says; what `onMove` returns the leader answers. */
function cluster(
  views: Views,
  onMove: (
    views: Views,
    asked: { readonly of: string; readonly to: string },
  ) => EtcdCallError | null,
): { readonly connection: EtcdConnection; readonly moves: string[]; views: Views } {
  let nowMs = 0
  const moves: string[] = []
  const statusOf = (i: number): object => {
    const view = views[i] ?? null
    if (view === null || view === '0') {
      const text = view === '0' ? 'etcdserver: no leader' : 'No connection established'
      return new EtcdCallError(STATUS.unavailable, text, IDS[i] ?? '')
    }
    return { header: { member_id: IDS[i] }, leader: view, version: '3.4.23' }
  }
  const fake = {
    addresses: IDS,
    closed: new AbortController().signal,
    runtime: { clock: { monotonicMs: () => nowMs } },
    askEach: async ({ method }: EtcdCall) => {
      nowMs += TOLD_MS
      const none = { header: {}, alarms: [] }
      return IDS.map((address, i) => ({ address, answer: method === 'alarm' ? none : statusOf(i) }))
    },
    askMember: async (address: string, { request, timeoutMs }: EtcdCall) => {
      const to = (request as { readonly targetID: string }).targetID
      moves.push(`${address} → ${to}`)
      const failure = onMove(views, { of: address, to })
      if (failure?.status === STATUS.deadlineExceeded) nowMs += timeoutMs
      return { address, answer: failure ?? { header: {} } }
    },
    pause: async (ms: number) => {
      nowMs += ms
    },
    typed: (error: EtcdCallError) => callError([error], IDS, 'read'),
  }
  return { connection: fake as unknown as EtcdConnection, moves, views }
}

const refusal = (status: number, text: string): EtcdCallError =>
  new EtcdCallError(status, text, 'a')
const to = (address: string): { to: string; timeoutMs: number } => ({
  to: address,
  timeoutMs: TIMEOUT_MS,
})

async function errorOf(work: Promise<unknown>): Promise<MeridianError> {
  const failure = await failureOf(work)
  expect(failure).toBeInstanceOf(MeridianError)
  return failure as MeridianError
}

describe('the leader of etcd moves', () => {
  it('by asking the one that leads, until most members say so', async () => {
    const { connection, moves, views } = cluster(['a', 'a', 'a'], (now) => {
      now.splice(0, 3, 'b', 'b', 'b')
      return null
    })
    const members = await moveEtcdLeader(connection, to('b'))
    expect(members.find(({ isLeader }) => isLeader === true)?.address).toBe('b')
    expect(moves).toEqual(['a → b'])
    expect(await moveEtcdLeader(connection, to('b'))).toHaveLength(3)
    expect(moves).toHaveLength(1)
    expect(views).toEqual(['b', 'b', 'b'])
  })

  it('and nobody may lead for a moment meanwhile', async () => {
    let looks = 0
    const { connection, moves, views } = cluster(['a', 'a', 'a'], (now) => {
      now.splice(0, 3, '0', '0', '0')
      return refusal(STATUS.unavailable, 'etcdserver: no leader')
    })
    const inner = connection.pause.bind(connection)
    Object.assign(connection, {
      pause: async (ms: number) => {
        looks++
        if (looks === 3) views.splice(0, 3, 'c', 'c', 'c')
        await inner(ms)
      },
    })
    await moveEtcdLeader(connection, to('c'))
    expect(looks).toBe(3)
    expect(moves).toEqual(['a → c'])
  })

  it('after another one took over, which is asked then', async () => {
    const { connection, moves } = cluster(['a', 'a', 'a'], (now, { of }) => {
      const next = of === 'a' ? 'b' : 'c'
      now.splice(0, 3, next, next, next)
      return of === 'a' ? refusal(STATUS.failedPrecondition, 'etcdserver: not leader') : null
    })
    await moveEtcdLeader(connection, to('c'))
    expect(moves).toEqual(['a → c', 'b → c'])
  })

  it('is not believed of the target alone', async () => {
    const { connection } = cluster(['a', 'a', 'a'], (now) => {
      now.splice(1, 1, 'b')
      return null
    })
    const error = await errorOf(moveEtcdLeader(connection, to('b')))
    expect(error.code).toBe('DEADLINE_EXCEEDED')
  })
})

describe('the leader of etcd does not move', () => {
  it('in time: it says who leads, and what it was told last', async () => {
    const late = 'etcdserver: request timed out, waiting for leader transfer'
    const { connection, moves } = cluster(['a', 'a', 'a'], () =>
      refusal(STATUS.deadlineExceeded, late),
    )
    const error = await errorOf(moveEtcdLeader(connection, to('c')))
    expect(error.code).toBe('DEADLINE_EXCEEDED')
    expect(error.message).toContain(`within ${TIMEOUT_MS} ms (${late}): a leads now.`)
    expect(error.details).toMatchObject({ leader: 'a' })
    expect(new Set(moves)).toEqual(new Set(['a → c']))
    expect(moves.length).toBeLessThan(5)
  })

  it('in time, and nobody leads', async () => {
    const { connection } = cluster(['a', 'a', 'a'], (now) => {
      now.splice(0, 3, '0', '0', '0')
      return null
    })
    const error = await errorOf(moveEtcdLeader(connection, to('c')))
    expect(error.message).toContain('nobody leads now')
    expect(error.details).toMatchObject({ leader: null })
  })

  it.each([
    ['there is no majority', ['a', null, null], 'b', 'no majority that answers and has a leader'],
    ['there is no leader', ['0', '0', '0'], 'b', 'no majority that answers and has a leader'],
    ['the target does not answer', ['a', null, 'a'], 'b', 'The member b does not answer'],
    ['the leader does not answer', [null, 'ff', 'ff'], 'b', 'is no configured member that answers'],
  ])('where %s', async (_name, views, target, message) => {
    const leaders = views.map((view) => (view === 'ff' ? '255' : view))
    const { connection, moves } = cluster(leaders, () => null)
    const error = await errorOf(moveEtcdLeader(connection, to(target)))
    expect(error.code).toBe('LOG_UNAVAILABLE')
    expect(error.message).toContain(message)
    expect(moves).toEqual([])
  })

  it('where nobody lets the user in', async () => {
    const { connection } = cluster(['a', 'a', 'a'], () => null)
    const text = 'etcdserver: authentication failed, invalid user ID or password'
    Object.assign(connection, {
      askEach: async () =>
        IDS.map((address) => ({ address, answer: refusal(STATUS.invalidArgument, text) })),
    })
    const error = await errorOf(moveEtcdLeader(connection, to('b')))
    expect(error.code).toBe('LOG_MISCONFIGURED')
    expect(error.message).toContain(text)
  })

  it('where the user may not', async () => {
    const { connection } = cluster(['a', 'a', 'a'], () =>
      refusal(STATUS.permissionDenied, 'etcdserver: permission denied'),
    )
    const error = await errorOf(moveEtcdLeader(connection, to('b')))
    expect(error.code).toBe('LOG_MISCONFIGURED')
    expect(error.message).toContain('refuses this user')
  })
})
