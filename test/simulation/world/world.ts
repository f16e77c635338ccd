/** What everything simulated shares: time, chance, counts and the trace. */
import { seededRandom, type SeededRandom } from '../../../src/core/seeded-random.ts'
import { Counters } from './counters.ts'
import { Scheduler } from './scheduler.ts'
import { Trace } from './trace.ts'

export class World {
  readonly scheduler = new Scheduler()
  readonly counters = new Counters()
  readonly trace = new Trace()
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** Chance of its own for one part: what others draw does not move it. */
  fork(): SeededRandom {
    return seededRandom(this.#random.below(2 ** 32))
  }

  note(line: string): void {
    this.trace.note(this.scheduler.nowMs(), line)
  }

  count(name: string, by = 1): void {
    this.counters.add(name, by)
  }
}
