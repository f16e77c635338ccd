import { describe, expect, it } from 'vitest'
import { checks, Readiness, SERVING } from '../../../src/node/readiness.ts'

function metAll(): Readiness {
  const readiness = new Readiness(['a'])
  for (const name of Object.values(checks('a'))) readiness.meet(name)
  return readiness
}

describe('a node is ready', () => {
  it('not before every check of every region is met', () => {
    const readiness = new Readiness(['a'])
    const names = Object.values(checks('a'))
    for (const name of names) {
      expect(readiness.report().ready).toBe(false)
      readiness.meet(name)
    }
    expect(readiness.report()).toEqual({
      ready: true,
      checks: [SERVING, ...names].map((name) => ({ name, ok: true })),
    })
  })

  it('no more once a check is lost, and says why', () => {
    const readiness = metAll()
    readiness.wait(SERVING, 'its end')
    const { ready, checks: all } = readiness.report()
    expect(ready).toBe(false)
    expect(all).toContainEqual({ name: SERVING, ok: false, waitsFor: 'its end' })
  })

  it('when its last check is met, which whoever waits is told', async () => {
    const readiness = metAll()
    readiness.wait(checks('a').log, 'the log')
    let isReady = false
    const waiting = readiness.ready().then(() => {
      isReady = true
    })
    readiness.wait(checks('a').roles, 'the roles')
    readiness.meet(checks('a').log)
    await Promise.resolve()
    expect(isReady).toBe(false)
    readiness.meet(checks('a').roles)
    await waiting
  })
})
