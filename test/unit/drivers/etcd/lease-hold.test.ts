import { describe, expect, test } from 'vitest'
import type { EtcdFaults } from '../../../../src/drivers/etcd/etcd-faults.ts'
import { LeaseHold } from '../../../../src/drivers/etcd/lease-hold.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

const TTL_MS = 6000

/** A server that answers renewals when it is told to, and counts the lease from their arrival. */
class Server {
  readonly runtime = new ManualRuntime()
  readonly waiting: ((grantedMs: number) => void)[] = []
  /** Renewals get lost on their way. */
  isCut = false
  /** By its own clock, which is the true one here. */
  expiresMs: number

  constructor() {
    this.expiresMs = this.runtime.clock.bootMs() + TTL_MS
  }

  hold(faults: EtcdFaults = {}): LeaseHold {
    return new LeaseHold({
      runtime: this.runtime,
      ttlMs: TTL_MS,
      sentMs: this.runtime.clock.bootMs(),
      faults,
      renew: () => {
        if (this.isCut) return Promise.reject(new Error('away'))
        if (this.runtime.clock.bootMs() >= this.expiresMs) return Promise.resolve(0)
        this.expiresMs = this.runtime.clock.bootMs() + TTL_MS
        return new Promise((resolve) => {
          this.waiting.push(resolve)
        })
      },
    })
  }

  answer(): void {
    for (const resolve of this.waiting.splice(0)) resolve(TTL_MS)
  }

  get isExpired(): boolean {
    return this.runtime.clock.bootMs() >= this.expiresMs
  }
}

describe('a lease', () => {
  test('is held while renewals are answered', async () => {
    const server = new Server()
    const hold = server.hold()
    for (let i = 0; i < 30; i++) {
      await server.runtime.advance(1000)
      server.answer()
      expect(hold.isHeld()).toBe(true)
    }
    expect(hold.lost.aborted).toBe(false)
    hold.lose()
  })

  test('ends by itself, a little before the server ends it', async () => {
    const server = new Server()
    const hold = server.hold()
    await server.runtime.advance(TTL_MS / 3)
    await server.runtime.advance(TTL_MS - 1 - TTL_MS / 3)
    expect(server.waiting).not.toEqual([])
    expect(hold.isHeld()).toBe(false)
    expect(hold.lost.aborted).toBe(true)
  })

  test('ends at once when the server says that it is gone', async () => {
    const server = new Server()
    const hold = server.hold()
    server.expiresMs = 0
    await server.runtime.advance(TTL_MS / 3)
    expect(hold.lost.aborted).toBe(true)
    expect(hold.isHeld()).toBe(false)
  })

  test('that was once not held is not held again', async () => {
    const server = new Server()
    let asleepMs = 0
    const { clock, timers, random } = server.runtime
    const runtime = { timers, random, clock: { ...clock, bootMs: () => clock.bootMs() + asleepMs } }
    const hold = new LeaseHold({
      runtime,
      ttlMs: TTL_MS,
      sentMs: runtime.clock.bootMs(),
      renew: () => Promise.resolve(TTL_MS),
    })
    asleepMs = TTL_MS
    expect(hold.isHeld()).toBe(false)
    await server.runtime.advance(TTL_MS / 3)
    expect(hold.isHeld()).toBe(false)
    expect(hold.lost.aborted).toBe(true)
  })

  test('is renewed again soon after a renewal that did not come through', async () => {
    const runtime = new ManualRuntime()
    let calls = 0
    const hold = new LeaseHold({
      runtime,
      ttlMs: TTL_MS,
      sentMs: runtime.clock.bootMs(),
      renew: () => {
        calls += 1
        return calls < 4 ? Promise.reject(new Error('away')) : Promise.resolve(TTL_MS)
      },
    })
    await runtime.advance(TTL_MS * 2)
    expect(calls).toBeGreaterThanOrEqual(4)
    expect(hold.isHeld()).toBe(true)
    hold.lose()
    const callsAtEnd = calls
    await runtime.advance(TTL_MS)
    expect(calls).toBe(callsAtEnd)
  })

  /** How often a lease is believed to be held that the server has ended; its answers come late. */
  const heldTooLong = async (faults: EtcdFaults): Promise<number> => {
    const server = new Server()
    const hold = server.hold(faults)
    let wrong = 0
    await server.runtime.advance(TTL_MS / 3)
    await server.runtime.advance(TTL_MS / 2)
    server.answer()
    server.isCut = true
    for (let i = 0; i < 100; i++) {
      await server.runtime.advance(TTL_MS / 50)
      if (server.isExpired && hold.isHeld()) wrong += 1
    }
    return wrong
  }

  test('is counted from before its renewal was sent, however late the answer comes', async () => {
    expect(await heldTooLong({})).toBe(0)
  })

  test('planted: counted from the answer, it is held after the server has ended it', async () => {
    expect(await heldTooLong({ leaseFromAnswer: true })).toBeGreaterThan(0)
  })
})
