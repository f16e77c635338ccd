/** Waits until nothing is on its way any more: for tests, demos and orderly ends. */
import { MeridianError } from '../core/errors.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { RegionNode } from './region-node.ts'

/** Bounds of `settle`. */
export interface SettleOptions {
  /** Milliseconds until it gives up; 30,000 when left out. */
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 30_000
const POLL_MS = 2

/** @throws MeridianError `DEADLINE_EXCEEDED` naming what lags, or why a stream stands */
export async function settle(
  nodes: readonly RegionNode[],
  runtime: Runtime,
  options: SettleOptions = {},
): Promise<void> {
  const { clock, timers } = runtime
  const deadlineMs = clock.monotonicMs() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
  let endsBefore = ''
  for (;;) {
    await Promise.all(nodes.map((node) => node.catchUp()))
    const ends = await Promise.all(nodes.map((node) => node.end()))
    const lagging = nodes.flatMap((node) => laggingImports(node, nodes, ends))
    // What arrived meanwhile may have moved views and logs on: look twice.
    if (lagging.length === 0 && ends.join() === endsBefore) return
    endsBefore = lagging.length === 0 ? ends.join() : ''
    if (clock.monotonicMs() > deadlineMs) {
      throw new MeridianError('DEADLINE_EXCEEDED', `Not settled: ${lagging.join('; ')}.`, {
        fix: 'Check that all regions reach each other.',
      })
    }
    await new Promise<void>((resolve) => {
      timers.after(POLL_MS, resolve)
    })
  }
}

/** The streams into a node that do not hold yet all that their source has committed. */
function laggingImports(
  node: RegionNode,
  nodes: readonly RegionNode[],
  ends: readonly number[],
): string[] {
  return node.status().imports.flatMap((stream) => {
    const end = ends[nodes.findIndex((other) => other.region === stream.from)] ?? 0
    if (stream.position >= end) return []
    if (stream.error?.retry === 'never') throw stream.error
    return [`${node.region} has ${stream.position} of ${end} changes of ${stream.from}`]
  })
}
