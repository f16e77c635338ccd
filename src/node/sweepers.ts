/**
 * Deletes expired rows now and then: pinned rows at their homes, eventual rows in one region, rows
 * of the strong log by ticks of its leader's region. Nobody has seen them since their instant.
 */
import { createEventualApplier } from '../../crdt/applier.ts'
import { createEventualSweeper } from '../../crdt/sweeper.ts'
import { createPinnedSweeper } from '../../replication/pinned/sweeper.ts'
import { asMeridianError, isErrorCode, type MeridianError } from '../core/errors.ts'
import { newTxId } from '../core/ids.ts'
import type { CancelTimer } from '../core/ports/runtime.ts'
import type { Config } from '../config/parse-config.ts'
import type { EngineParts, Engines } from './engines.ts'

/** What sweepers are made of. */
export interface SweeperParts extends EngineParts {
  readonly config: Config
  readonly engines: Engines
  readonly onFailure: (role: string, error: MeridianError) => void
}

/** The running sweepers of a node. */
export interface Sweepers {
  /** Sweeps now. */
  sweep(): Promise<void>
  stop(): Promise<void>
}

/** Regions do not sweep in step: each interval is longer or shorter by up to this share. */
const JITTER = 0.2

/** Starts the sweepers. */
export function startSweepers(parts: SweeperParts): Sweepers {
  const { runtime, config, region, groups, engines, onFailure } = parts
  const leads = region === config.commitLog.leader
  const pinned = createPinnedSweeper({ ...parts, directory: groups.directory })
  const eventual = createEventualSweeper(engines.eventual, {
    isLeader: () => leads,
    newTxId: () => newTxId(runtime.clock, runtime.random),
  })
  const held = createEventualApplier(engines.eventual)
  const sweep = async (): Promise<void> => {
    await pinned.sweep()
    await eventual.sweep()
    await held.releaseHeld()
    if (leads) await sweepStrong(groups.strong)
  }
  let stopped = false
  let cancel: CancelTimer = () => undefined
  let running: Promise<void> = Promise.resolve()
  const arm = (): void => {
    if (stopped) return
    const share = 1 + JITTER * (2 * runtime.random.fraction() - 1)
    cancel = runtime.timers.after(config.limits.sweepIntervalMs * share, () => {
      running = sweep()
        .catch((error: unknown) => onFailure('sweeper', asMeridianError(error)))
        .then(arm)
    })
  }
  arm()
  return {
    sweep,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}

/** A clock that is out of step is reported where it is measured; it sweeps nothing meanwhile. */
async function sweepStrong(strong: EngineParts['groups']['strong']): Promise<void> {
  try {
    await strong.sweep()
  } catch (error) {
    if (!isErrorCode(error, 'CLOCK_SKEW')) throw error
  }
}
