import { afterEach, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import { SharedReadIndex } from '../../../../replication/strong/shared-read-index.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  account,
  accounts,
  insert,
  openRegion,
  rowsOf,
  transaction,
  type Region,
} from '../../../support/strong-region.ts'

const opened: Region[] = []
afterEach(async () => {
  for (const region of opened.splice(0)) await region.engine.close()
})

/** An asker whose answers the test gives. */
function manual(): { ask: () => Promise<number>; answers: ((index: number) => void)[] } {
  const answers: ((index: number) => void)[] = []
  return { answers, ask: () => new Promise((resolve) => answers.push(resolve)) }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

describe('SharedReadIndex', () => {
  it('asks once for the readers of one turn', async () => {
    const { ask, answers } = manual()
    const shared = new SharedReadIndex(ask, systemRuntime.timers)
    const readers = [shared.get(), shared.get(), shared.get()]
    await turn()
    expect(answers.length).toBe(1)
    answers[0]?.(7)
    expect(await Promise.all(readers)).toEqual([7, 7, 7])
  })

  it('asks again for a reader that arrives after the request was sent (rule 10)', async () => {
    const { ask, answers } = manual()
    const shared = new SharedReadIndex(ask, systemRuntime.timers)
    const early = shared.get()
    await turn()
    const late = shared.get()
    await turn()
    expect(answers.length).toBe(2)
    answers[1]?.(8)
    answers[0]?.(7)
    expect([await early, await late]).toEqual([7, 8])
  })

  it('gathers readers while too many requests are under way, and then sends one for all', async () => {
    const { ask, answers } = manual()
    const shared = new SharedReadIndex(ask, systemRuntime.timers)
    const sent = []
    for (let i = 0; i < 32; i++) {
      sent.push(shared.get())
      await turn()
    }
    const waiting = [shared.get(), shared.get()]
    await turn()
    expect(answers.length).toBe(32)
    answers[0]?.(1)
    await sent[0]
    await turn()
    expect(answers.length).toBe(33)
    answers[32]?.(9)
    expect(await Promise.all(waiting)).toEqual([9, 9])
  })

  it('tells all its readers of a failure, and goes on', async () => {
    let fail = true
    const shared = new SharedReadIndex(
      () => (fail ? Promise.reject(new Error('away')) : Promise.resolve(3)),
      systemRuntime.timers,
    )
    const results = await Promise.allSettled([shared.get(), shared.get()])
    expect(results.map((r) => r.status)).toEqual(['rejected', 'rejected'])
    fail = false
    expect(await shared.get()).toBe(3)
  })
})

describe('a strong read', () => {
  /**
   * A read index is under way when a write is acknowledged elsewhere; then a reader arrives. The
   * write must be in what it reads.
   */
  async function readAfterAcknowledgedWrite(faults: StrongFaults): Promise<'fresh' | 'stale'> {
    const log = new MemoryCommitLog()
    const [reader, writer] = [await openRegion(log, { faults }), await openRegion(log)]
    opened.push(reader, writer)
    let release = (): void => undefined
    log.beforeReadIndexReply = () =>
      new Promise((resolve) => {
        release = resolve
        log.beforeReadIndexReply = () => Promise.resolve()
      })
    const early = reader.engine.readIndex()
    await turn()
    await writer.engine.commit(transaction([insert(accounts, account('x'))]))
    const late = reader.engine.readIndex()
    await turn()
    release()
    await early
    return (await late) >= 1 ? 'fresh' : 'stale'
  }

  it('sees every write that was acknowledged before it began (rule 10)', async () => {
    expect(await readAfterAcknowledgedWrite({})).toBe('fresh')
  })

  it('must fail: joining a request that was already sent is stale', async () => {
    expect(await readAfterAcknowledgedWrite({ joinSentReadIndex: true })).toBe('stale')
  })

  it('waits until the region has applied the index', async () => {
    const log = new MemoryCommitLog()
    const writer = await openRegion(log)
    opened.push(writer)
    await writer.engine.commit(transaction([insert(accounts, account('x'))]))
    const slow = new MemoryCommitLog()
    slow.held = true
    slow.entries.set('main', log.entries.get('main') ?? [])
    const reader = await openRegion(slow)
    opened.push(reader)
    await expect(reader.engine.waitApplied(1, { timeoutMs: 20 })).rejects.toEqual(
      expect.objectContaining({ code: 'DEADLINE_EXCEEDED' }),
    )
    const caughtUp = reader.engine.catchUp()
    slow.held = false
    slow.deliver()
    await caughtUp
    expect((await rowsOf(reader.store, accounts)).length).toBe(1)
  })
})
