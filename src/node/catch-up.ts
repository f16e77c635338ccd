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

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 2_000

/** Starts at once; `close` ends what is still trying. */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #cancels = new Set<CancelTimer>()
  #isClosed = false

  constructor(options: CatchUpOptions) {
    this.#options = options
    for (const node of options.nodes.values()) this.#attempt(node, FIRST_PAUSE_MS)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const cancel of this.#cancels) cancel()
  }

  #attempt(node: RegionNode, pauseMs: number): void {
    const { readiness, leader, log } = this.#options
    const { log: check } = checks(node.region)
    readiness.wait(check, `the commit log in ${leader}`)
    node.catchUp().then(
      () => {
        readiness.meet(check)
        log.write('info', 'region caught up', { region: node.region })
      },
      (thrown: unknown) => {
        if (this.#isClosed) return
        const error = asMeridianError(thrown)
        readiness.wait(check, `the commit log in ${leader} (${error.code})`)
        if (pauseMs === FIRST_PAUSE_MS) {
          log.write('warn', 'waiting for the commit log', {
            region: node.region,
            leader,
            code: error.code,
          })
        }
        this.#again(node, pauseMs)
      },
    )
  }

  #again(node: RegionNode, pauseMs: number): void {
    const { timers, random } = this.#options.runtime
    const cancel = timers.after(pauseMs * (0.5 + random.fraction() / 2), () => {
      this.#cancels.delete(cancel)
      this.#attempt(node, Math.min(pauseMs * 2, MAX_PAUSE_MS))
    })
    this.#cancels.add(cancel)
  }
}
