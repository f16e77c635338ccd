/**
 * Brings the regions of a process up to what the logs held when it started, trying again for as
 * long as it takes: the leader may come later. Readiness says what is waited for.
 */
import { asMeridianError } from '../core/errors.ts'
import type { Log } from '../core/ports/log.ts'
import type { CancelTimer, Runtime } from '../core/ports/runtime.ts'
import { checks, type Readiness } from './readiness.ts'
import type { RegionNode } from './region-node.ts'

/** What is brought up. */
export interface CatchUpOptions {
  readonly nodes: ReadonlyMap<string, RegionNode>
  readonly leader: string
  readonly readiness: Readiness
  readonly runtime: Runtime
  readonly log: Log
}

/** Which log it waits for, and why. */
interface Told {
  readonly log: 'commit log' | 'change log'
  readonly code: string
}

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2_000

/** Starts at once; `close` ends what is still trying. */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #cancels = new Set<CancelTimer>()
  #isClosed = false

  constructor(options: CatchUpOptions) {
    this.#options = options
    for (const node of options.nodes.values()) this.#attempt(node, FIRST_PAUSE_MS, undefined)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const cancel of this.#cancels) cancel()
  }

  /** `told`: what readers of the log and of readiness know it waits for. */
  #attempt(node: RegionNode, pauseMs: number, told: Told | undefined): void {
    const { readiness, leader, log } = this.#options
    const { region } = node
    const { log: check } = checks(region)
    let waited: Told['log'] = 'commit log'
    const onLog = (which: Told['log']): void => {
      waited = which
      if (told?.log !== which) readiness.wait(check, whereIs(which, region, leader))
    }
    node.catchUp(onLog).then(
      () => {
        readiness.meet(check)
        log.write('info', 'region caught up', { region })
      },
      (thrown: unknown) => {
        if (this.#isClosed) return
        const error = asMeridianError(thrown)
        readiness.wait(check, `${whereIs(waited, region, leader)} (${error.code})`)
        const isNews = told?.log !== waited || told.code !== error.code
        if (isNews) log.write('warn', `waiting for the ${waited}`, { region, error })
        this.#again(node, pauseMs, { log: waited, code: error.code })
      },
    )
  }

  #again(node: RegionNode, pauseMs: number, told: Told): void {
    const { timers, random } = this.#options.runtime
    const cancel = timers.after(pauseMs * (0.5 + random.fraction() / 2), () => {
      this.#cancels.delete(cancel)
      this.#attempt(node, Math.min(pauseMs * 2, MAX_PAUSE_MS), told)
    })
    this.#cancels.add(cancel)
  }
}

function whereIs(log: Told['log'], region: string, leader: string): string {
  return log === 'commit log' ? `the commit log in ${leader}` : `the change log of ${region}`
}
