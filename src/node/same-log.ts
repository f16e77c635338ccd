/**
 * A commit log that a region follows only while it is the one that it followed before. The store
 * keeps the id of the deployment in the log's engine; an engine that lost its data, or another one
 * at the same address, has another id, and its indices mean nothing here.
 */
import { asMeridianError, MeridianError } from '../core/errors.ts'
import type { CommitLog, LogTail, LogTailHandlers } from '../core/ports/commit-log.ts'
import type { LogRetention } from '../core/ports/log-retention.ts'
import type { MachineSupport } from '../core/ports/machine-support.ts'
import type { CancelTimer, Timers } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'

/** Whose log it must be. */
export interface SameLogOptions {
  readonly store: Store
  /** @throws MeridianError as long as the engine does not answer */
  readonly deploymentId: () => Promise<string>
  /** Where the engine is, for messages. */
  readonly address: string
}

/** Resolves once the log is known to be the same. @throws MeridianError as the engine; `LOG_FOREIGN` */
export type LogCheck = () => Promise<void>

const META_KEY = 'commit-log'
const AGAIN_MS = 500

/** Asks once, and again after a failure. */
export function createLogCheck(options: SameLogOptions): LogCheck {
  let checked: Promise<void> | undefined
  return () => {
    checked ??= requireSame(options).catch((error: unknown) => {
      checked = undefined
      throw error
    })
    return checked
  }
}

/** What regions report, behind the check: to another deployment it would say what is not so. */
export function sameRetention(retention: LogRetention, check: LogCheck): LogRetention {
  return {
    async report(group, region, beforeIndex) {
      await check()
      await retention.report(group, region, beforeIndex)
    },
    async reported(group) {
      await check()
      return retention.reported(group)
    },
  }
}

/** What regions support, behind the check. */
export function sameSupport(support: MachineSupport, check: LogCheck): MachineSupport {
  return {
    async report(group, region, version) {
      await check()
      await support.report(group, region, version)
    },
    async reported(group) {
      await check()
      return support.reported(group)
    },
  }
}

/** The log, behind the check. */
export function sameLog(log: CommitLog, check: LogCheck, timers: Timers): CommitLog {
  const tails = new Set<CheckedTail>()
  return {
    async append(group, id, payload) {
      await check()
      return log.append(group, id, payload)
    },
    async readIndex(group) {
      await check()
      return log.readIndex(group)
    },
    async trim(group, beforeIndex) {
      await check()
      return log.trim(group, beforeIndex)
    },
    tail(group, fromIndex, handlers) {
      const open = (): LogTail => log.tail(group, fromIndex, handlers)
      const tail = new CheckedTail(check, open, handlers, timers, () => tails.delete(tail))
      tails.add(tail)
      return tail
    },
    async close() {
      await log.close()
      await Promise.all(Array.from(tails, (tail) => tail.fail()))
    },
  }
}

async function requireSame({ store, deploymentId, address }: SameLogOptions): Promise<void> {
  const id = await deploymentId()
  await store.write([
    { sql: 'INSERT INTO _meta VALUES (?, ?) ON CONFLICT DO NOTHING', args: [META_KEY, id] },
  ])
  const [known] = await store.read([
    { sql: 'SELECT value FROM _meta WHERE key = ?', args: [META_KEY] },
  ])
  const expected = known?.rows[0]?.[0]
  if (expected === id) return
  throw new MeridianError(
    'LOG_FOREIGN',
    `The commit log in ${address} is that of deployment ${id}; this store followed that of ${String(expected)}.`,
    {
      fix: 'Point `commitLog.etcd` to the etcd that this deployment has had, or restore its data.',
      details: { address, expected, found: id },
    },
  )
}

/** A tail that begins once the log is known to be the same. */
class CheckedTail implements LogTail {
  readonly #open: () => LogTail
  readonly #handlers: LogTailHandlers
  readonly #timers: Timers
  readonly #onEnd: () => void
  #tail: LogTail | undefined
  #isOver = false
  #cancelTimer: CancelTimer | undefined

  constructor(
    check: () => Promise<void>,
    open: () => LogTail,
    handlers: LogTailHandlers,
    timers: Timers,
    onEnd: () => void,
  ) {
    this.#open = open
    this.#handlers = handlers
    this.#timers = timers
    this.#onEnd = onEnd
    this.#attempt(check)
  }

  async stop(): Promise<void> {
    this.#end()
    await this.#tail?.stop()
  }

  /** The log was closed; a tail that runs hears of it from the log itself. */
  async fail(): Promise<void> {
    const hasBegun = this.#tail !== undefined || this.#isOver
    this.#end()
    if (!hasBegun) this.#handlers.onFailure(new MeridianError('CLOSED', 'The log is closed.'))
  }

  #end(): void {
    this.#isOver = true
    this.#cancelTimer?.()
    this.#onEnd()
  }

  #attempt(check: () => Promise<void>): void {
    check().then(
      () => {
        if (!this.#isOver) this.#tail = this.#open()
      },
      (thrown: unknown) => {
        if (this.#isOver) return
        const error = asMeridianError(thrown)
        // What answers there now need not be what answers there later.
        if (error.retry !== 'never' || error.code === 'LOG_MISCONFIGURED') {
          this.#cancelTimer = this.#timers.after(AGAIN_MS, () => this.#attempt(check))
          return
        }
        this.#end()
        this.#handlers.onFailure(error)
      },
    )
  }
}
