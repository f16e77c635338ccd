/** What regions reported, in memory. */
import type { LogRetention } from '../../src/core/ports/log-retention.ts'

export class MemoryLogRetention implements LogRetention {
  readonly #groups = new Map<string, Map<string, number>>()
  /** What the next calls fail with. */
  failure: Error | undefined

  async report(group: string, region: string, beforeIndex: number): Promise<void> {
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    const reported = this.#groups.get(group) ?? new Map<string, number>()
    this.#groups.set(group, reported.set(region, beforeIndex))
  }

  async reported(group: string): Promise<ReadonlyMap<string, number>> {
    await Promise.resolve()
    if (this.failure !== undefined) throw this.failure
    return new Map(this.#groups.get(group))
  }
}
