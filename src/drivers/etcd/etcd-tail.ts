/**
 * A tail of one group: finds where its reader is in etcd's history, watches from there, and begins
 * again whenever the watch ends, for as long as it takes. What was lost or came twice on the way
 * shows in the index, and another log in the id of the entry that came last.
 */
import { setMaxListeners } from 'node:events'
import type { IEvent, ITxnResponse } from 'etcd3'
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import type { LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import type { DeploymentMark } from './deployment-mark.ts'
import { EntryCursor } from './entry-cursor.ts'
import { EntryQueue } from './entry-queue.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import type { EtcdFaults } from './etcd-faults.ts'
import { decodeEntry, type EtcdKeys } from './etcd-keys.ts'
import { openWatch } from './etcd-watch.ts'
import { entryAt, findEntry, stateOf, type FoundEntry, type KeyState } from './log-history.ts'
import { readMark } from './log-trim.ts'

/** What a tail reads and whom it tells. */
export interface EtcdTailOptions {
  readonly connection: EtcdConnection
  readonly mark: DeploymentMark
  readonly keys: EtcdKeys
  readonly group: string
  readonly fromIndex: number
  readonly handlers: LogTailHandlers
  readonly faults: EtcdFaults
  /** Runs when the tail has ended, for whatever reason. */
  readonly onEnd: () => void
}

/** The group now. */
interface Look {
  readonly state: KeyState
  readonly revision: number
  /** Entries below it are gone, or about to go. */
  readonly trimmedBefore: number
}

/** From which revision on to watch, and the index that comes first there. */
interface Start {
  readonly revision: number
  readonly index: number
}

/** By which a log is known again. */
interface LastEntry {
  readonly id: string
  readonly revision: number
}

type End = 'full' | 'again'

/** Held entries beyond which the watch is given up until the reader has caught up. */
const MAX_HELD_BYTES = 8 * 1024 * 1024
const RESUME_HELD_BYTES = 2 * 1024 * 1024
const FIRST_PAUSE_MS = 25
const LAST_PAUSE_MS = 2000
/** A watch that has been silent so long is compared with the log. */
const SILENCE_MS = 4000
/** What ends a tail for good; everything else is waited for. */
const FINAL = [
  'LOG_COMPACTED',
  'LOG_FOREIGN',
  'POSITION_LOST',
  'PROTOCOL_VERSION',
  'PROTOCOL_MALFORMED',
  'CLOSED',
] as const

export class EtcdTail implements LogTail {
  readonly #options: EtcdTailOptions
  readonly #key: Buffer
  readonly #queue: EntryQueue
  readonly #ending = new AbortController()
  readonly #running: Promise<void>
  #nextIndex: number
  /** The entry that came last. */
  #last: LastEntry | undefined
  #isStopped = false
  #failure: { readonly error: unknown } | undefined
  /** Whether the watch has stood since the last pause. */
  #stood = false
  #onRoom: (() => void) | undefined

  constructor(options: EtcdTailOptions) {
    // One of each call that is under way.
    setMaxListeners(0, this.#ending.signal)
    this.#options = options
    this.#key = options.keys.log(options.group)
    this.#nextIndex = options.fromIndex
    this.#queue = new EntryQueue(options.handlers.onEntries, (failure) => {
      if (failure === undefined) this.#onRoom?.()
      else this.#end(failure)
    })
    this.#running = this.#run()
  }

  /** Not to be awaited inside `onEntries`, whose end it waits for. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#ending.abort()
    await this.#running
  }

  /** Ends the tail and tells its reader why. */
  async fail(error: unknown): Promise<void> {
    this.#end({ error })
    await this.#running
  }

  #end(failure: { readonly error: unknown }): void {
    this.#failure ??= failure
    this.#ending.abort()
  }

  get #isOver(): boolean {
    return this.#ending.signal.aborted
  }

  async #run(): Promise<void> {
    const { connection, handlers, onEnd } = this.#options
    // The caller has its tail in hand before the first callback.
    await Promise.resolve()
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#isOver) {
      this.#stood = false
      const end = await this.#follow()
      if (this.#isOver || end === 'full') continue
      pauseMs = this.#stood ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, LAST_PAUSE_MS)
      const jitter = 0.5 + connection.runtime.random.fraction() / 2
      await connection.pause(pauseMs * jitter, this.#ending.signal)
    }
    await this.#queue.stop()
    onEnd()
    if (!this.#isStopped) handlers.onFailure(this.#failure?.error)
  }

  /** Never rejects: what ends the tail is kept. */
  async #follow(): Promise<End> {
    try {
      await this.#room()
      if (this.#isOver) return 'again'
      const start = await this.#findStart()
      if (this.#isOver || start === undefined) return 'again'
      return await this.#watch(start)
    } catch (error) {
      this.#note(error)
      return 'again'
    }
  }

  #note(error: unknown): void {
    if (this.#isOver) return
    if (isErrorCode(error, ...FINAL)) this.#end({ error })
    else {
      const { connection, group } = this.#options
      connection.log.write('debug', 'etcd-tail-broken', { group, next: this.#nextIndex, error })
    }
  }

  async #room(): Promise<void> {
    while (this.#queue.heldBytes > RESUME_HELD_BYTES && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
        this.#ending.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async #look(): Promise<Look> {
    const { mark, keys, group } = this.#options
    const response: ITxnResponse = await mark.txn(
      {
        success: [
          { request_range: { key: this.#key, keys_only: true } },
          { request_range: { key: keys.trim(group) } },
        ],
      },
      { signal: this.#ending.signal },
    )
    const [log, trim] = response.responses
    return {
      state: stateOf(log?.response_range.kvs[0]),
      revision: Number(response.header.revision),
      trimmedBefore: readMark(trim?.response_range.kvs[0])?.index ?? 0,
    }
  }

  /** `undefined`: look again. */
  async #findStart(): Promise<Start | undefined> {
    const look = await this.#look()
    if (this.#last !== undefined) return this.#rejoin(look, this.#last)
    if (this.#nextIndex > look.state.version) {
      return { revision: look.revision + 1, index: look.state.version + 1 }
    }
    if (this.#nextIndex < look.trimmedBefore) throw this.#compactedError(this.#nextIndex)
    const found = await this.#find(this.#nextIndex, look)
    if (found === 'moved') return undefined
    this.#accept(this.#nextIndex, found.modRevision, found.value)
    return { revision: found.readableAt + 1, index: this.#nextIndex }
  }

  /** The entry that came last must still be the one that etcd has there. */
  async #rejoin(look: Look, last: LastEntry): Promise<Start | undefined> {
    const lastIndex = this.#nextIndex - 1
    const { state, revision } = look
    const isBehind = state.version < lastIndex || revision < last.revision
    if (isBehind || (state.version === lastIndex && state.modRevision !== last.revision)) {
      throw this.#lostError(lastIndex)
    }
    const { connection } = this.#options
    const signal = this.#ending.signal
    const kept = await entryAt(connection, this.#key, last.revision, signal)
    const found = kept === 'compacted' ? await this.#find(lastIndex, look) : kept
    if (found === 'moved') return undefined
    const isSame = found.modRevision === last.revision && decodeEntry(found.value).id === last.id
    if (!isSame) throw this.#lostError(lastIndex)
    return { revision: found.readableAt + 1, index: this.#nextIndex }
  }

  async #find(index: number, look: Look): Promise<FoundEntry | 'moved'> {
    const { connection } = this.#options
    const { state, revision } = look
    const signal = this.#ending.signal
    const found = await findEntry(connection, this.#key, index, state, revision, signal)
    if (found === 'compacted') throw this.#compactedError(index)
    return found
  }

  #watch(start: Start): Promise<End> {
    const { connection, faults } = this.#options
    const cursor = new EntryCursor(start.index, this.#nextIndex, faults)
    return new Promise((resolve) => {
      let isSilent = true
      let isBehind = false
      let isEnded = false
      const end = (why: End): void => {
        isEnded = true
        watch.cancel()
        cancelCheck()
        this.#ending.signal.removeEventListener('abort', onAbort)
        resolve(why)
      }
      const onAbort = (): void => end('again')
      const watch = openWatch(
        connection,
        { key: this.#key, start_revision: start.revision },
        {
          onCreated: () => {
            this.#stood = true
          },
          onEvents: (events) => {
            isSilent = false
            if (!this.#receive(cursor, events)) end('again')
            else if (this.#queue.heldBytes > MAX_HELD_BYTES) end('full')
          },
          onEnd: (why) => {
            if (why.reason === 'broken') this.#note(why.error)
            end('again')
          },
        },
      )
      // A watch that died without a word: the log is further than what came.
      const check = async (): Promise<void> => {
        if (isSilent) {
          const version = await this.#versionNow()
          if (isEnded) return
          const wasBehind = isBehind
          isBehind = isSilent && version > cursor.last
          if (isBehind && wasBehind) return end('again')
        } else isBehind = false
        isSilent = true
        cancelCheck = connection.runtime.timers.after(SILENCE_MS, () => void check())
      }
      let cancelCheck = connection.runtime.timers.after(SILENCE_MS, () => void check())
      this.#ending.signal.addEventListener('abort', onAbort, { once: true })
      if (this.#isOver) onAbort()
    })
  }

  /** 0 when etcd cannot be asked. Never rejects. */
  async #versionNow(): Promise<number> {
    try {
      return (await this.#look()).state.version
    } catch (error) {
      this.#note(error)
      return 0
    }
  }

  /** Whether the watch may go on. A deletion of the key has version 0: it breaks the order. */
  #receive(cursor: EntryCursor, events: readonly IEvent[]): boolean {
    const { copiesOf } = this.#options.faults
    for (const { kv } of events) {
      const index = Number(kv.version)
      for (let copies = copiesOf?.(index) ?? 1; copies > 0; copies--) {
        const verdict = cursor.see(index)
        if (verdict === 'broken') return false
        if (verdict === 'next') this.#accept(index, Number(kv.mod_revision), kv.value)
      }
    }
    return true
  }

  #accept(index: number, revision: number, value: Buffer): void {
    const { id, payload } = decodeEntry(value)
    this.#nextIndex = index + 1
    this.#last = { id, revision }
    this.#queue.push({ index, id, payload })
  }

  #compactedError(wanted: number): MeridianError {
    const { group } = this.#options
    return new MeridianError(
      'LOG_COMPACTED',
      `Entry ${wanted} of group ${group} of the commit log was trimmed.`,
      { fix: 'Seed this region again from a peer.', details: { engine: 'etcd', group, wanted } },
    )
  }

  #lostError(index: number): MeridianError {
    const { group, connection } = this.#options
    return new MeridianError(
      'POSITION_LOST',
      `Entry ${index} of group ${group} of the commit log in etcd (${connection.addresses.join(', ')}) is not the one that was there before.`,
      {
        fix: 'The log was restored or replaced: restore the log that the regions followed, or seed this region again from one that follows this log.',
        details: { engine: 'etcd', group, index },
      },
    )
  }
}
