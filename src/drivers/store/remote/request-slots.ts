/** How many reads are under way at once: a server refuses connections beyond its own number. */
import { MeridianError } from '../../../core/errors.ts'

export class RequestSlots {
  readonly #url: string
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(url: string, count: number, maxWaiting: number) {
    this.#url = url
    this.#free = count
    this.#maxWaiting = maxWaiting
  }

  /** @throws MeridianError `OVERLOADED`, or what the work throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#turn()
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new MeridianError('OVERLOADED', `Store ${this.#url} has too many waiting reads.`, {
        fix: 'Send fewer reads at a time, or retry after a pause.',
        details: { url: this.#url },
      })
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }
}
