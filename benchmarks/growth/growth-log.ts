/** What a step of growth has found so far. A later size that fails does not take the earlier ones away. */
import { MeridianError } from '../../src/core/errors.ts'
import type { GrowthPoint } from '../measure/cell.ts'
import type { StepResult } from '../step.ts'

export class GrowthLog {
  readonly #points: GrowthPoint[] = []
  readonly #notes: string[] = []

  add(points: readonly GrowthPoint[], notes: readonly string[] = []): void {
    this.#points.push(...points)
    this.#notes.push(...notes)
  }

  note(text: string): void {
    this.#notes.push(text)
  }

  /**
   * Runs `work`, which adds to this log; what fails after the first point becomes a note.
   *
   * @throws what `work` throws before there is anything to tell
   */
  async collect(work: () => Promise<void>): Promise<StepResult> {
    try {
      await work()
    } catch (error) {
      if (this.#points.length === 0) throw error
      const reason =
        error instanceof MeridianError ? `${error.code}: ${error.message}` : String(error)
      this.#notes.push(`Not measured further: ${reason}`)
    }
    return { growth: this.#points, notes: this.#notes }
  }
}
