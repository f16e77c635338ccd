/** What every driver of the Coordination port must do. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Coordination, Leadership, RoleHolder } from '../../src/core/ports/coordination.ts'
import { failureOf, until } from './support/failure.ts'

/** Processes of one deployment. */
export interface Coordinated {
  readonly a: Coordination
  readonly b: Coordination
}

const never = new AbortController().signal

/** `open`: two handles on the roles of a new deployment. The suite closes them. */
export function describeCoordinationSuite(name: string, open: () => Promise<Coordinated>): void {
  const openBoth = async (): Promise<Coordinated> => {
    const both = await open()
    onTestFinished(async () => {
      await both.a.close()
      await both.b.close()
    })
    return both
  }
  /** A campaign that is expected to wait. */
  const waiting = (work: Promise<Leadership>): { won: () => Leadership | undefined } => {
    let leadership: Leadership | undefined
    work.then(
      (won) => {
        leadership = won
      },
      () => undefined,
    )
    return { won: () => leadership }
  }

  describe(`${name}: roles`, () => {
    test('the first that asks has it, the next only after it was given up', async () => {
      const { a, b } = await openBoth()
      const first = await a.campaign('sweeper', 'a', never)
      expect(first.isHeld()).toBe(true)
      const second = waiting(b.campaign('sweeper', 'b', never))
      const other = await b.campaign('relay', 'b', never)
      expect(other.isHeld()).toBe(true)
      expect(second.won()).toBeUndefined()
      expect(first.isHeld()).toBe(true)
      await first.resign()
      expect(first.isHeld()).toBe(false)
      expect(first.lost.aborted).toBe(true)
      await until(() => second.won() !== undefined)
      expect(second.won()?.isHeld()).toBe(true)
      expect(second.won()?.lost.aborted).toBe(false)
    })

    test('fences grow with every holder', async () => {
      const { a, b } = await openBoth()
      const fences: number[] = []
      for (const who of [a, b, a, b, b]) {
        const leadership = await who.campaign('sweeper', 'x', never)
        fences.push(leadership.fence)
        await leadership.resign()
      }
      expect(fences.toSorted((x, y) => x - y)).toEqual(fences)
      expect(new Set(fences).size).toBe(5)
    })

    test('two never hold it at once, whoever asks how often', async () => {
      const { a, b } = await openBoth()
      let holders = 0
      let most = 0
      let held = 0
      const compete = async (who: Coordination): Promise<void> => {
        for (let i = 0; i < 4; i++) {
          const leadership = await who.campaign('sweeper', 'x', never)
          most = Math.max(most, ++holders)
          held++
          await new Promise((resolve) => setImmediate(resolve))
          expect(leadership.isHeld()).toBe(true)
          holders--
          await leadership.resign()
        }
      }
      await Promise.all([compete(a), compete(a), compete(b), compete(b)])
      expect(most).toBe(1)
      expect(held).toBe(16)
    })

    test('giving up twice, and giving up what is lost, is harmless', async () => {
      const { a, b } = await openBoth()
      const first = await a.campaign('sweeper', 'a', never)
      await first.resign()
      const second = await b.campaign('sweeper', 'b', never)
      await first.resign()
      expect(second.isHeld()).toBe(true)
    })

    test('who no longer waits does not get it', async () => {
      const { a, b } = await openBoth()
      const first = await a.campaign('sweeper', 'a', never)
      const gaveUp = new AbortController()
      const cancelled = failureOf(b.campaign('sweeper', 'b', gaveUp.signal))
      gaveUp.abort()
      expect(await cancelled).toMatchObject({ code: 'CANCELLED' })
      await first.resign()
      const again = await a.campaign('sweeper', 'a', never)
      expect(again.isHeld()).toBe(true)
      const aborted = b.campaign('sweeper', 'b', AbortSignal.abort())
      expect(await failureOf(aborted)).toMatchObject({ code: 'CANCELLED' })
    })
  })

  describe(`${name}: observers and close`, () => {
    test('are told at once and at every change, and no more once they end', async () => {
      const { a, b } = await openBoth()
      const told: (RoleHolder | undefined)[] = []
      const stop = b.observe('sweeper', (holder) => told.push(holder))
      await until(() => told.length === 1)
      expect(told).toEqual([undefined])
      const first = await a.campaign('sweeper', 'address of a', never)
      await until(() => told.length === 2)
      expect(told[1]).toEqual({ candidate: 'address of a', fence: first.fence })
      const late: (RoleHolder | undefined)[] = []
      const stopLate = a.observe('sweeper', (holder) => late.push(holder))
      await until(() => late.length === 1)
      expect(late[0]).toEqual(told[1])
      stop()
      await first.resign()
      await until(() => late.at(-1) === undefined)
      expect(told).toHaveLength(2)
      stopLate()
    })

    test('closing gives the roles up and ends what waits', async () => {
      const { a, b } = await openBoth()
      const first = await a.campaign('sweeper', 'a', never)
      const other = await b.campaign('relay', 'b', never)
      const ended = failureOf(a.campaign('relay', 'a', never))
      const next = waiting(b.campaign('sweeper', 'b', never))
      await a.close()
      expect(first.isHeld()).toBe(false)
      expect(first.lost.aborted).toBe(true)
      expect(await ended).toMatchObject({ code: 'CLOSED' })
      await until(() => next.won() !== undefined)
      expect(next.won()?.isHeld()).toBe(true)
      expect(other.isHeld()).toBe(true)
      const late = a.campaign('sweeper', 'a', never)
      expect(await failureOf(late)).toMatchObject({ code: 'CLOSED' })
    })
  })
}
