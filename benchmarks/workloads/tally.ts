/**
 * Counts what a step's calls came to, warm-ups among them, and keeps what was answered wrongly: the
 * tables must agree with it in the end.
 */
import { asMeridianError, MeridianError, type ErrorCode } from '../../src/core/errors.ts'
import type { Operation } from '../measure/loop.ts'

/** After these nothing was written; after any other failure a write may have happened. */
const NOTHING_WRITTEN: ReadonlySet<ErrorCode> = new Set([
  'ALREADY_EXISTS',
  'CONDITION_FAILED',
  'CONFLICT',
  'CONSTRAINT_VIOLATED',
  'NOT_FOUND',
  'OVERLOADED',
  'TENANT_NOT_FOUND',
])
/** More do not tell more. */
const KEPT_FINDINGS = 5

/** Whether a write that failed so may have happened nevertheless. */
function isInDoubt(error: unknown): boolean {
  return !NOTHING_WRITTEN.has(asMeridianError(error).code)
}

/** Writes of one sort: of a key, of a table. */
export interface WriteCount {
  readonly acknowledged: number
  readonly inDoubt: number
}

/** What a step's calls came to. */
export class Tally {
  readonly #step: string
  readonly #writes = new Map<string, { acknowledged: number; inDoubt: number }>()
  readonly #running = new Set<Promise<unknown>>()
  readonly #findings: string[] = []
  #wrong = 0
  #calls = 0

  constructor(step: string) {
    this.#step = step
  }

  /** Calls that have begun. */
  get calls(): number {
    return this.#calls
  }

  /** The same calls, watched, so that nothing is looked at while one is still under way. */
  watch(operation: Operation): Operation {
    return (index) => {
      this.#calls++
      const running = operation(index)
      const settled = running.then(
        () => undefined,
        () => undefined,
      )
      this.#running.add(settled)
      void settled.then(() => this.#running.delete(settled))
      return running
    }
  }

  /** Counts a write under a name as acknowledged, or in doubt, once it has ended. */
  async write<T>(name: string, writing: Promise<T>): Promise<T> {
    const count = this.#countOf(name)
    try {
      const value = await writing
      count.acknowledged++
      return value
    } catch (error) {
      if (isInDoubt(error)) count.inDoubt++
      throw error
    }
  }

  /** The writes under a name so far. */
  written(name: string): WriteCount {
    return this.#countOf(name)
  }

  /** Keeps a wrong answer. The step fails for it in the end. */
  wrong(finding: string): void {
    this.#wrong++
    if (this.#findings.length < KEPT_FINDINGS) this.#findings.push(finding)
  }

  /** A total must be that of the acknowledged writes, and at most those in doubt more. */
  expectTotal(what: string, total: number, name: string): void {
    const { acknowledged, inDoubt } = this.#countOf(name)
    if (total >= acknowledged && total <= acknowledged + inDoubt) return
    const doubt = inDoubt === 0 ? '' : ` and ${inDoubt} are in doubt`
    this.wrong(`${what}: ${total}, though ${acknowledged} writes were acknowledged${doubt}`)
  }

  /** Resolves once no call is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  /**
   * @throws MeridianError `INTERNAL` where an answer was wrong: latencies of wrong answers are worth
   * nothing
   */
  finish(): void {
    if (this.#wrong === 0) return
    const left = this.#wrong - this.#findings.length
    const more = left === 0 ? '' : `; and ${left} more`
    throw new MeridianError(
      'INTERNAL',
      `${this.#step} found wrong answers: ${this.#findings.join('; ')}${more}.`,
      { retry: 'never', details: { step: this.#step, wrong: this.#wrong } },
    )
  }

  #countOf(name: string): { acknowledged: number; inDoubt: number } {
    let count = this.#writes.get(name)
    if (count === undefined) {
      count = { acknowledged: 0, inDoubt: 0 }
      this.#writes.set(name, count)
    }
    return count
  }
}
