/**
 * The sending side of a log group: gathers waiting commands into records, keeps several records in
 * flight, appends again under the same id while the outcome of an append is unknown, and hands
 * every command its outcome once this region has applied it.
 */
import {
  asMeridianError,
  isErrorCode,
  MeridianError,
  type ErrorCode,
} from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import { DEFAULT_DEADLINE_MS, MAX_MESSAGE_BYTES, MAX_QUEUED_WRITES } from '../../src/core/limits.ts'
import type { CancelTimer, Runtime } from '../../src/core/ports/runtime.ts'
import type { DecidedOutcome } from './outcomes.ts'
import { encodeRecord, MAX_COMMANDS_PER_RECORD } from './record.ts'

/** How commands are gathered and sent. */
export interface ProposerLimits {
  readonly maxRecordsInFlight: number
  readonly maxCommandsPerRecord: number
  readonly maxRecordBytes: number
  /** Commands that wait or are under way before new ones are refused. */
  readonly maxPending: number
}

export const DEFAULT_PROPOSER_LIMITS: ProposerLimits = {
  maxRecordsInFlight: 32,
  maxCommandsPerRecord: 512,
  maxRecordBytes: 1024 * 1024,
  maxPending: MAX_QUEUED_WRITES,
}

/** What a proposer needs. */
export interface ProposerOptions {
  readonly runtime: Runtime
  readonly append: (id: string, payload: Uint8Array) => Promise<number>
  /** Told of the commands of a record right before it is appended. */
  readonly beforeAppend?: (commands: readonly Uint8Array[]) => void
  /** Which schema a record is of that is sent now. */
  readonly schemaVersion: () => number
  readonly limits: ProposerLimits
  /** Throws while no record may carry this node's clock. */
  readonly requireInStep: () => void
}

interface Pending {
  readonly bytes: Uint8Array
  readonly machineVersion: number
  readonly beginsRecord: boolean
  readonly resolve: (outcome: DecidedOutcome) => void
  readonly reject: (error: MeridianError) => void
  readonly cancelTimer: CancelTimer
  sent: boolean
  settled: boolean
  /** What the log said to the latest attempt of its record. */
  failure: MeridianError | undefined
}

const FIRST_RETRY_MS = 20
const LAST_RETRY_MS = 1000
/** What the log may get over while a call still has time. */
const PASSING: readonly ErrorCode[] = ['LOG_UNAVAILABLE', 'LOG_FULL']

export class Proposer {
  readonly #options: ProposerOptions
  readonly #waiting = new Set<Pending>()
  readonly #sent = new Map<string, readonly Pending[]>()
  #pending = 0
  #appending = 0
  #flushDeferred = false
  #closed: MeridianError | undefined

  constructor(options: ProposerOptions) {
    this.#options = options
  }

  /**
   * Sends a command; resolves with its outcome once it is applied here. `machineVersion`: the least
   * that it needs; a record needs what the most demanding of its commands does. `beginsRecord`: it
   * can only be the first of its record.
   *
   * @throws MeridianError `OVERLOADED`, `TRANSACTION_TOO_LARGE`, `CLOCK_SKEW`, `DEADLINE_EXCEEDED` (retry `safe`
   * when it was not sent, else `unknown-outcome`), `UNKNOWN_OUTCOME`, or why the group ended
   */
  propose(
    bytes: Uint8Array,
    machineVersion: number,
    timeoutMs: number = DEFAULT_DEADLINE_MS,
    beginsRecord: boolean = false,
  ): Promise<DecidedOutcome> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (bytes.length > MAX_MESSAGE_BYTES) return Promise.reject(tooLarge(bytes.length))
    if (this.#pending >= this.#options.limits.maxPending) return Promise.reject(overloaded())
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        bytes,
        machineVersion,
        beginsRecord,
        resolve,
        reject,
        cancelTimer: this.#options.runtime.timers.after(timeoutMs, () =>
          this.#reject(pending, tooLate(pending)),
        ),
        sent: false,
        failure: undefined,
        settled: false,
      }
      this.#pending += 1
      this.#waiting.add(pending)
      this.#flushSoon()
    })
  }

  /** Hands the outcomes of an applied record to whoever waits for it here. */
  deliver(recordId: string, outcomes: readonly DecidedOutcome[]): void {
    const record = this.#sent.get(recordId)
    if (record === undefined) return
    this.#sent.delete(recordId)
    record.forEach((pending, place) => {
      const outcome = outcomes[place]
      if (outcome !== undefined && this.#settle(pending)) pending.resolve(outcome)
    })
  }

  /** Rejects what waits with `reason`, what was sent with `UNKNOWN_OUTCOME`, and all that comes. */
  close(reason: MeridianError): void {
    if (this.#closed !== undefined) return
    this.#closed = reason
    for (const pending of this.#waiting) this.#reject(pending, reason)
    for (const record of this.#sent.values()) this.#giveUp(record, unknownOutcome(reason))
    this.#sent.clear()
  }

  /** Gathering ends with the turn: what one turn brings shares a record. */
  #flushSoon(): void {
    if (this.#flushDeferred) return
    this.#flushDeferred = true
    this.#options.runtime.timers.defer(() => {
      this.#flushDeferred = false
      this.#flush()
    })
  }

  #flush(): void {
    const { limits, runtime } = this.#options
    if (!this.#mayStamp()) return
    while (this.#appending < limits.maxRecordsInFlight) {
      const record = this.#takeRecord()
      if (record.length === 0) return
      for (const pending of record) pending.sent = true
      const id = newTxId(runtime.clock, runtime.random)
      this.#sent.set(id, record)
      const payload = encodeRecord({
        machineVersion: Math.max(...record.map((pending) => pending.machineVersion)),
        schemaVersion: this.#options.schemaVersion(),
        nowMs: runtime.clock.nowMs(),
        kind: 'commands',
        commands: record.map((pending) => pending.bytes),
      })
      this.#appending += 1
      this.#options.beforeAppend?.(record.map((pending) => pending.bytes))
      void this.#append(id, payload, record).finally(() => {
        this.#appending -= 1
        this.#flush()
      })
    }
  }

  /** Refuses what waits where its record would carry a wrong clock. */
  #mayStamp(): boolean {
    try {
      this.#options.requireInStep()
      return true
    } catch (error) {
      for (const pending of this.#waiting) this.#reject(pending, asMeridianError(error))
      return false
    }
  }

  #takeRecord(): Pending[] {
    const { maxCommandsPerRecord, maxRecordBytes } = this.#options.limits
    const maxCommands = Math.min(maxCommandsPerRecord, MAX_COMMANDS_PER_RECORD)
    const record: Pending[] = []
    let size = 0
    for (const pending of this.#waiting) {
      size += pending.bytes.length
      if (record.length > 0 && (pending.beginsRecord || size > maxRecordBytes)) break
      if (record.length === maxCommands) break
      record.push(pending)
      this.#waiting.delete(pending)
    }
    return record
  }

  /** Never rejects. Appends again under the same id until it is known to be in the log. */
  async #append(id: string, payload: Uint8Array, record: readonly Pending[]): Promise<void> {
    const { timers, random } = this.#options.runtime
    let mayBeThere = false
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(2 * delayMs, LAST_RETRY_MS)) {
      try {
        await this.#options.append(id, payload)
        return
      } catch (thrown) {
        const error = asMeridianError(thrown)
        mayBeThere ||= error.retry === 'unknown-outcome'
        const worthwhile = isErrorCode(error, ...PASSING) && this.#closed === undefined
        if (!worthwhile || record.every((pending) => pending.settled)) {
          this.#sent.delete(id)
          this.#giveUp(record, mayBeThere ? unknownOutcome(error) : error)
          return
        }
        for (const pending of record) pending.failure = error
        const pauseMs = delayMs * (0.5 + random.fraction() / 2)
        await new Promise<void>((resolve) => timers.after(pauseMs, resolve))
      }
    }
  }

  #giveUp(record: readonly Pending[], error: MeridianError): void {
    for (const pending of record) this.#reject(pending, error)
  }

  #reject(pending: Pending, error: MeridianError): void {
    if (this.#settle(pending)) pending.reject(error)
  }

  /** Whether this call settled it. */
  #settle(pending: Pending): boolean {
    if (pending.settled) return false
    pending.settled = true
    pending.cancelTimer()
    this.#waiting.delete(pending)
    this.#pending -= 1
    return true
  }
}

function unknownOutcome(cause: MeridianError): MeridianError {
  return new MeridianError('UNKNOWN_OUTCOME', `The commit log did not take it: ${cause.message}`, {
    fix: 'Repeat the call with the same idempotency key: it has one effect at most.',
    cause,
  })
}

function tooLate({ sent, failure }: Pending): MeridianError {
  const why = failure === undefined ? '' : ` ${failure.message}`
  return new MeridianError('DEADLINE_EXCEEDED', `The strong write did not finish in time.${why}`, {
    retry: sent ? 'unknown-outcome' : 'safe',
    fix: sent
      ? 'It may still take effect. Repeat it with the same idempotency key.'
      : 'It was not sent. Repeat it.',
    ...(failure === undefined ? {} : { cause: failure, details: { log: failure.code } }),
  })
}

function overloaded(): MeridianError {
  return new MeridianError('OVERLOADED', 'Too many strong writes wait in this region.', {
    fix: 'Send fewer at once, or repeat later.',
  })
}

function tooLarge(size: number): MeridianError {
  return new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The transaction has ${size} bytes; ${MAX_MESSAGE_BYTES} are allowed.`,
    { fix: 'Split it.' },
  )
}
