/** Makes faults happen as planned, heals each, and tells of both. */
import { setTimeout as pause } from 'node:timers/promises'
import { asMeridianError, MeridianError } from '../../../core/errors.ts'
import type { PlannedFault } from './plan.ts'

/** A fault that has begun. */
export interface BegunFault {
  /** What it met, in words: `etcd eu-west, pid 4711`. */
  readonly target: string
  /** Takes it back; what was broken serves again, or will soon. */
  heal(): Promise<void>
}

/** How a deployment can be broken. */
export interface Breaker {
  /** What two faults may not have in common at once. */
  lockOf(fault: PlannedFault): string
  begin(fault: PlannedFault): Promise<BegunFault>
}

/** What is told of a fault, in order. */
export type FaultEvent =
  | {
      readonly event: 'planned' | 'begun' | 'healed'
      readonly fault: PlannedFault
      readonly target: string
    }
  | {
      readonly event: 'not-begun' | 'not-healed'
      readonly fault: PlannedFault
      readonly target: string
      readonly error: string
    }

/** What a run of faults takes. */
export interface FaultRun {
  readonly planned: readonly PlannedFault[]
  readonly breaker: Breaker
  readonly onEvent: (event: FaultEvent) => void
  /** Heals what has begun, and begins nothing more. */
  readonly until: AbortSignal
}

const HEAL_TRIES = 3

/**
 * Resolves once every fault was healed.
 *
 * @throws MeridianError `INTERNAL` where one could not be healed: nothing that is seen afterwards
 * says anything about the product
 */
export async function runFaults(run: FaultRun): Promise<void> {
  const { planned, breaker, until } = run
  const startedAtMs = performance.now()
  const locks = new Map<string, Promise<unknown>>()
  const results = await Promise.allSettled(
    planned.map(async (fault) => {
      const lock = breaker.lockOf(fault)
      await sleep(fault.atMs - (performance.now() - startedAtMs), until)
      // One after the other where they would meet the same: in the order in which they fall due.
      const before = locks.get(lock) ?? Promise.resolve()
      const mine = before.catch(() => undefined).then(() => happen(fault, run))
      locks.set(lock, mine)
      await mine
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function happen(fault: PlannedFault, { breaker, onEvent, until }: FaultRun): Promise<void> {
  if (until.aborted) return
  let begun: BegunFault
  try {
    begun = await breaker.begin(fault)
  } catch (error) {
    onEvent({ event: 'not-begun', fault, target: '', error: asMeridianError(error).message })
    return
  }
  const { target } = begun
  onEvent({ event: 'begun', fault, target })
  await sleep(fault.forMs, until)
  for (let tried = 1; ; tried++) {
    try {
      await begun.heal()
      break
    } catch (thrown) {
      const error = asMeridianError(thrown).message
      onEvent({ event: 'not-healed', fault, target, error })
      if (tried < HEAL_TRIES) continue
      throw new MeridianError(
        'INTERNAL',
        `${fault.kind} of ${target} could not be healed: ${error}`,
        {
          fix: 'Run it again.',
        },
      )
    }
  }
  onEvent({ event: 'healed', fault, target })
}

async function sleep(forMs: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(Math.max(0, forMs), undefined, { signal })
  } catch {
    // The end has come.
  }
}
