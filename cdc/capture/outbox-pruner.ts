/**
 * Deletes what every reader of an outbox has durably: the change log and the other regions. Small
 * batches, so that no write waits long behind one.
 */
import type { MeridianError } from '../../src/core/errors.ts'
import type { Random, Timers } from '../../src/core/ports/runtime.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { WakeLoop } from '../wake-loop.ts'

const BATCH_CHANGES = 500
const DEFAULT_INTERVAL_MS = 10_000
const DEFAULT_MAX_RETAINED = 1_000_000

/** What a pruner is made of. */
export interface OutboxPrunerOptions {
  readonly store: Store
  readonly timers: Timers
  readonly random: Random
  /** The change log's durable position. Nothing above it is ever deleted. */
  readonly relayPosition: () => number
  /** The durable position of every region that subscribes to this store; 0 where not known. */
  readonly regionPositions: () => readonly number[]
  /**
   * Changes kept for regions that are away; one that is further behind must be reseeded.
   * Default 1,000,000.
   */
  readonly maxRetained?: number
  /** Default 10,000. */
  readonly intervalMs?: number
  /** Told of what has ended the pruner for good. */
  readonly onStopped?: (error: MeridianError) => void
}

/** A running pruner. */
export interface OutboxPruner {
  status(): { readonly prunedTo: number; readonly error: MeridianError | null }
  /** Prunes now. Resolves to the position up to which changes are gone. */
  prune(): Promise<number>
  stop(): Promise<void>
}

/** Starts a pruner (protocol rule 21). */
export function createOutboxPruner(options: OutboxPrunerOptions): OutboxPruner {
  const { store } = options
  let prunedTo = 0
  const prune = async (): Promise<number> => {
    const [first, last] = await store.read([
      { sql: 'SELECT coalesce(min(seq), 1) FROM _outbox', args: [] },
      LAST_LOCAL_SEQ,
    ])
    prunedTo = Number(first?.rows[0]?.[0]) - 1
    const floor = pruneFloor({
      end: Number(last?.rows[0]?.[0]),
      relay: options.relayPosition(),
      regions: options.regionPositions(),
      maxRetained: options.maxRetained ?? DEFAULT_MAX_RETAINED,
    })
    while (prunedTo < floor) {
      const upTo = Math.min(prunedTo + BATCH_CHANGES, floor)
      await store.write([{ sql: 'DELETE FROM _outbox WHERE seq <= ?', args: [upTo] }])
      prunedTo = upTo
    }
    return prunedTo
  }
  const loop = new WakeLoop({
    step: async () => {
      await prune()
      return false
    },
    timers: options.timers,
    random: options.random,
    onStopped: options.onStopped,
    pollMs: options.intervalMs ?? DEFAULT_INTERVAL_MS,
  })
  return { status: () => ({ prunedTo, error: loop.error() }), prune, stop: () => loop.stop() }
}

/** The position up to which changes may be deleted. */
export function pruneFloor(state: {
  readonly end: number
  readonly relay: number
  readonly regions: readonly number[]
  readonly maxRetained: number
}): number {
  const regions = Math.min(state.end, ...state.regions)
  return Math.min(state.relay, Math.max(regions, state.end - state.maxRetained))
}
