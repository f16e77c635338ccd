/**
 * Serves a commit log over a channel to one region. Trusts its peer to be a node, not to be
 * right: what a peer can make this side hold is bounded, and a malformed message ends the channel.
 */
import { isErrorCode, MeridianError, toWireError } from '../../core/errors.ts'
import type { CommitLog, LogEntry, LogTail } from '../../core/ports/commit-log.ts'
import type { MachineSupport } from '../../core/ports/machine-support.ts'
import type { Channel } from '../../core/ports/transport.ts'
import {
  decodeToLog,
  encodeLogMessage,
  entryCostBytes,
  type FromLog,
  type LogRequest,
  type SupportReport,
  type ToLog,
  type WireEntry,
} from './remote-log-codec.ts'

/** What one channel may have under way. Above what our own client uses. */
const MAX_CALLS = 1024
const MAX_CALL_BYTES = 64 * 1024 * 1024
const MAX_TAILS = 1024
/** Entries of more bytes are sent as several messages. */
const MAX_BATCH_BYTES = 1024 * 1024

/**
 * Answers over the channel until it closes. Does not close the log. `support`: what regions support
 * of its groups' state machines; left out, nothing is said of it.
 */
export function serveCommitLog(log: CommitLog, channel: Channel, support?: MachineSupport): void {
  const server = new CommitLogServer(log, channel, support)
  channel.onMessage((message) => server.receive(message))
  channel.onClose(() => server.end())
}

type Answer = Omit<Extract<FromLog, { kind: 'done' }>, 'kind' | 'call'>

class CommitLogServer {
  readonly #log: CommitLog
  readonly #channel: Channel
  readonly #support: MachineSupport | undefined
  readonly #tails = new Map<number, ServedTail>()
  #calls = 0
  #callBytes = 0
  #hasEnded = false

  constructor(log: CommitLog, channel: Channel, support: MachineSupport | undefined) {
    this.#log = log
    this.#channel = channel
    this.#support = support
  }

  receive(bytes: Uint8Array): void {
    if (this.#hasEnded) return
    try {
      this.#handle(decodeToLog(bytes), bytes.length)
    } catch (error) {
      this.#refuse(error)
    }
  }

  /** Ends what runs for a channel that is closed. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    for (const tail of this.#tails.values()) tail.stop()
    this.#tails.clear()
  }

  #handle(message: ToLog, bytes: number): void {
    switch (message.kind) {
      case 'append':
      case 'read-index':
      case 'trim':
        this.#startCall(message, bytes)
        break
      case 'tail':
        this.#startTail(message)
        break
      case 'credit':
        this.#tails.get(message.tail)?.grant(message.creditBytes)
        break
      case 'stop-tail':
        this.#tails.get(message.tail)?.stop()
        this.#tails.delete(message.tail)
        break
    }
  }

  #startCall(request: LogRequest, bytes: number): void {
    if (this.#calls >= MAX_CALLS || this.#callBytes + bytes > MAX_CALL_BYTES) {
      throw overloaded('calls')
    }
    this.#calls++
    this.#callBytes += bytes
    const settle = (answer: FromLog): void => {
      this.#calls--
      this.#callBytes -= bytes
      this.#send(answer)
    }
    const { call } = request
    this.#ask(request).then(
      (answer) => settle({ kind: 'done', call, ...answer }),
      (error: unknown) => {
        // This node stops, the log does not: its region asks again over another channel.
        if (isErrorCode(error, 'CLOSED')) this.#close()
        else settle({ kind: 'failed', call, error: toWireError(error) })
      },
    )
  }

  async #ask(request: LogRequest): Promise<Answer> {
    const { group } = request
    switch (request.kind) {
      case 'append':
        return { index: await this.#log.append(group, request.id, request.payload) }
      case 'read-index': {
        const supported = await this.#askSupport(group, request.support)
        const index = await this.#log.readIndex(group)
        return supported === undefined ? { index } : { index, supported }
      }
      case 'trim':
        await this.#log.trim(group, request.beforeIndex)
        return { index: request.beforeIndex }
    }
  }

  async #askSupport(
    group: string,
    report: SupportReport | null | undefined,
  ): Promise<Answer['supported']> {
    const support = this.#support
    if (support === undefined || report === undefined) return undefined
    if (report !== null) await support.report(group, report.region, report.version)
    return Object.fromEntries(await support.reported(group))
  }

  #startTail(message: Extract<ToLog, { kind: 'tail' }>): void {
    const { tail, group, fromIndex, creditBytes } = message
    if (this.#tails.size >= MAX_TAILS) throw overloaded('tails')
    if (this.#tails.has(tail)) {
      throw new MeridianError('PROTOCOL_MALFORMED', `Tail ${tail} of the commit log runs already.`)
    }
    const served = new ServedTail(creditBytes, (firstIndex, entries) =>
      this.#send({ kind: 'entries', tail, firstIndex, entries }),
    )
    this.#tails.set(tail, served)
    served.start(
      this.#log.tail(group, fromIndex, {
        onEntries: (entries) => served.deliver(entries),
        onFailure: (error) => {
          if (this.#tails.get(tail) !== served) return
          this.#tails.delete(tail)
          // The log is out of reach from here for now; the region goes on over another channel.
          if (isErrorCode(error, 'CLOSED', 'LOG_UNAVAILABLE')) this.#close()
          else this.#send({ kind: 'tail-failed', tail, error: toWireError(error) })
        },
      }),
    )
  }

  #send(message: FromLog): void {
    if (!this.#hasEnded) this.#channel.send(encodeLogMessage(message))
  }

  #refuse(error: unknown): void {
    this.#send({ kind: 'refused', error: toWireError(error) })
    this.#close()
  }

  #close(): void {
    this.end()
    this.#channel.close()
  }
}

/** Sends entries no faster than its peer grants credit. */
class ServedTail {
  readonly #send: (firstIndex: number, entries: readonly WireEntry[]) => void
  #creditBytes: number
  #isStopped = false
  #tail: LogTail | undefined
  #onChange: (() => void) | undefined

  constructor(
    creditBytes: number,
    send: (firstIndex: number, entries: readonly WireEntry[]) => void,
  ) {
    this.#creditBytes = creditBytes
    this.#send = send
  }

  start(tail: LogTail): void {
    this.#tail = tail
  }

  grant(creditBytes: number): void {
    this.#creditBytes += creditBytes
    this.#onChange?.()
  }

  stop(): void {
    this.#isStopped = true
    this.#onChange?.()
    void this.#tail?.stop()
  }

  /** Resolves when all are sent: until then the log hands over no more. */
  async deliver(entries: readonly LogEntry[]): Promise<void> {
    for (let at = 0; at < entries.length;) {
      while (this.#creditBytes <= 0 && !this.#isStopped) await this.#change()
      if (this.#isStopped) return
      const [batch, costBytes] = batchFrom(entries, at, this.#creditBytes)
      this.#creditBytes -= costBytes
      this.#send(entries[at]?.index ?? 0, batch)
      at += batch.length
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }
}

/** At least one entry, and more while they are within the credit and the bound of a batch. */
function batchFrom(
  entries: readonly LogEntry[],
  from: number,
  creditBytes: number,
): readonly [batch: WireEntry[], costBytes: number] {
  const batch: WireEntry[] = []
  let costBytes = 0
  for (const { id, payload } of entries.slice(from)) {
    const entryBytes = entryCostBytes({ id, payload })
    if (batch.length > 0 && costBytes + entryBytes > Math.min(creditBytes, MAX_BATCH_BYTES)) break
    batch.push({ id, payload })
    costBytes += entryBytes
  }
  return [batch, costBytes]
}

function overloaded(what: string): MeridianError {
  return new MeridianError('OVERLOADED', `A channel to the commit log has too many ${what}.`, {
    fix: 'Have fewer under way at a time.',
  })
}
