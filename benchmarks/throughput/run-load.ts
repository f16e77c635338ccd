/** Keeps so many transactions of each region under way, for a while. */
import type { Histogram } from 'hdr-histogram-js'
import { createHistogram, recordMs } from '../measure/histogram.ts'
import type { Answered } from './transactions.ts'

/** What became of all transactions. */
export interface LoadResult {
  readonly seconds: number
  readonly committed: number
  /** Those that were refused, by the code of the error. */
  readonly refused: ReadonlyMap<string, number>
  readonly latencies: Histogram
  /** The first and the last index of the log that a committed transaction is at; 0 for none. */
  readonly firstIndex: number
  readonly lastIndex: number
}

/** Runs one transaction. */
type RunOne = () => Promise<Answered>

/**
 * Runs `inFlight` of each at once; every one that ends is followed by the next until `seconds` are
 * over. Resolves once all have their answers; the time counts until then.
 */
export async function runLoad(
  runs: readonly RunOne[],
  inFlight: number,
  seconds: number,
): Promise<LoadResult> {
  const tally = new LoadTally()
  const startedMs = performance.now()
  const endMs = startedMs + seconds * 1000
  const loop = async (run: RunOne): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs;) {
      const answered = await run()
      const endedMs = performance.now()
      tally.add(answered, endedMs - nowMs)
      nowMs = endedMs
    }
  }
  await Promise.all(runs.flatMap((run) => Array.from({ length: inFlight }, () => loop(run))))
  return { ...tally.result(), seconds: (performance.now() - startedMs) / 1000 }
}

/** Counts answers. */
export class LoadTally {
  readonly #latencies = createHistogram()
  readonly #refused = new Map<string, number>()
  #committed = 0
  #firstIndex = 0
  #lastIndex = 0

  add(answered: Answered, latencyMs: number): void {
    if (!answered.ok) {
      this.#refused.set(answered.code, (this.#refused.get(answered.code) ?? 0) + 1)
      return
    }
    recordMs(this.#latencies, latencyMs)
    this.#committed += 1
    const { index } = answered
    if (this.#firstIndex === 0 || index < this.#firstIndex) this.#firstIndex = index
    this.#lastIndex = Math.max(this.#lastIndex, index)
  }

  result(): Omit<LoadResult, 'seconds'> {
    return {
      committed: this.#committed,
      refused: this.#refused,
      latencies: this.#latencies,
      firstIndex: this.#firstIndex,
      lastIndex: this.#lastIndex,
    }
  }
}
