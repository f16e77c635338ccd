import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { runFaults, type FaultEvent } from '../../../../src/cli/history/faults/nemesis.ts'
import type { PlannedFault } from '../../../../src/cli/history/faults/plan.ts'

function fault(number: number, region: string, forMs = 1): PlannedFault {
  return {
    ...{ number, kind: 'kill-node', atMs: 0, forMs, region },
    ...{ isLeader: false, from: [], mode: 'cut', jumpMs: 0 },
  }
}

/** Runs faults on regions that note when they are broken. */
async function run(
  planned: readonly PlannedFault[],
  options: { readonly healFails?: number; readonly beginFails?: boolean } = {},
): Promise<{ events: FaultEvent[]; most: number; broken: Set<string>; error: unknown }> {
  const events: FaultEvent[] = []
  const broken = new Set<string>()
  let [most, failures] = [0, options.healFails ?? 0]
  let error: unknown
  await runFaults({
    planned,
    until: new AbortController().signal,
    onEvent: (event) => events.push(event),
    breaker: {
      lockOf: ({ region }) => region,
      async begin({ region }) {
        if (options.beginFails === true) throw new Error('nothing to break')
        expect(broken.has(region)).toBe(false)
        broken.add(region)
        most = Math.max(most, broken.size)
        await turn()
        return {
          target: region,
          async heal() {
            if (failures-- > 0) throw new Error('not yet')
            broken.delete(region)
          },
        }
      },
    },
  }).catch((thrown: unknown) => {
    error = thrown
  })
  return { events, most, broken, error }
}

test('what would meet the same waits, what meets another does not', async () => {
  const { events, most, broken } = await run([
    fault(0, 'a', 20),
    fault(1, 'a', 20),
    fault(2, 'b', 20),
  ])
  expect(broken.size).toBe(0)
  expect(most).toBe(2)
  const ofA = events.filter(({ target }) => target === 'a').map(({ event }) => event)
  expect(ofA).toEqual(['begun', 'healed', 'begun', 'healed'])
})

test('a fault that cannot begin is told, and is none', async () => {
  const { events, error } = await run([fault(0, 'a')], { beginFails: true })
  expect(error).toBeUndefined()
  expect(events).toMatchObject([{ event: 'not-begun' }])
})

test('healing is tried again, and given up loudly', async () => {
  const again = await run([fault(0, 'a')], { healFails: 2 })
  expect(again.error).toBeUndefined()
  expect(again.events.map(({ event }) => event)).toEqual([
    'begun',
    'not-healed',
    'not-healed',
    'healed',
  ])
  const never = await run([fault(0, 'a')], { healFails: 100 })
  expect(never.error).toMatchObject({ code: 'INTERNAL' })
})

test('the end heals what has begun at once, and begins nothing more', async () => {
  const over = new AbortController()
  const seen: string[] = []
  await runFaults({
    planned: [fault(0, 'a', 3_600_000), { ...fault(1, 'b'), atMs: 3_600_000 }],
    until: over.signal,
    onEvent: ({ event }) => {
      seen.push(event)
      if (event === 'begun') over.abort()
    },
    breaker: {
      lockOf: ({ region }) => region,
      begin: async () => ({ target: 'a', heal: async () => undefined }),
    },
  })
  expect(seen).toEqual(['begun', 'healed'])
})
