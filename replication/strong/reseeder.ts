/**
 * Brings a region that the log has left behind to where it can follow again: from a snapshot of a
 * peer. Tries one peer after the other, for as long as it takes; a snapshot that broke off is begun
 * anew. Until one is complete the region has no copy of the group that anybody may read.
 */
import { asMeridianError, MeridianError } from '../../src/core/errors.ts'
import type { LogRetention } from '../../src/core/ports/log-retention.ts'
import type { Transport } from '../../src/core/ports/transport.ts'
import type { LogPosition } from './log-batch.ts'
import { machineTooOld } from './log-group-errors.ts'
import { ReseedChannel } from './reseed-channel.ts'
import { ReseedWriter, type ReseedWriterOptions } from './reseed-writer.ts'
import type { SchemaOf, SnapshotEnd, SnapshotOffer } from './snapshot-messages.ts'

/** Where a region can be seeded from, and how the log is kept meanwhile. */
export interface Seeding {
  readonly region: string
  /** The other regions. */
  readonly peers: readonly string[]
  readonly transport: Transport
  /** Left out where the log is never trimmed by itself. */
  readonly retention?: LogRetention
  /** Told when a group begins to be seeded, changes its peer, and (`null`) is whole again. */
  readonly onProgress?: (group: string, progress: ReseedProgress | null) => void
  /** Bytes that may be on their way. Default 4 MiB. */
  readonly creditBytes?: number
  /** A peer that says nothing for this long is given up. Default 30,000. */
  readonly silenceTimeoutMs?: number
  /** Longest pause before all peers are asked again. Default 5,000. */
  readonly maxBackoffMs?: number
}

/** How a reseed stands. */
export interface ReseedProgress {
  /** The region that is asked. */
  readonly peer: string | null
  /** Parts that were applied in this attempt. */
  readonly parts: number
  /** Why attempts failed, by peer. */
  readonly failures: Readonly<Record<string, string>>
  /** Why it is seeded again, where it is not that the log does not go back so far. */
  readonly why?: string
}

/** What a reseeder needs. */
export interface ReseederOptions extends Omit<ReseedWriterOptions, 'isStopped' | 'schemaVersion'> {
  readonly seeding: Seeding
  readonly machineVersion: number
  readonly schema: SchemaOf
  readonly why?: string
  /** Where the log ends now. */
  readonly logEnd: () => Promise<number>
}

const CREDIT_BYTES = 4 * 1024 * 1024
const SILENCE_TIMEOUT_MS = 30_000
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 5_000
/** Peers that wait themselves quote what their peers said: unbounded, the texts double each round. */
const MAX_REASON_LENGTH = 300
/** Marks closer together than this are not worth a message to the log. */
const HOLD_STEP_RECORDS = 1_000

export class Reseeder {
  readonly #options: ReseederOptions
  readonly #applied: () => number
  #progress: ReseedProgress = { peer: null, parts: 0, failures: {} }
  #held = 0
  #channel: ReseedChannel | undefined
  #isStopped = false
  #endPause: (() => void) | undefined

  /** `applied`: where the region is; a peer that is not beyond it is of no use. */
  constructor(options: ReseederOptions, applied: () => number) {
    this.#options = options
    this.#applied = applied
    const { why } = options
    if (why !== undefined) this.#progress = { ...this.#progress, why }
  }

  progress(): ReseedProgress {
    return this.#progress
  }

  /** The log is needed from behind this index on; 0 while no peer has answered. */
  held(): number {
    return this.#held
  }

  /**
   * Resolves with the position from which the log can be followed.
   *
   * @throws MeridianError `CLOSED` once it is stopped
   */
  async run(): Promise<LogPosition> {
    const { seeding, runtime } = this.#options
    const { maxBackoffMs = MAX_BACKOFF_MS } = seeding
    // What is wrong stays so while no peer answers, and when the node is started again.
    if (this.#options.why !== undefined) await this.#newWriter().begin('', this.#applied())
    for (let pauseMs = FIRST_BACKOFF_MS; ; pauseMs = Math.min(2 * pauseMs, maxBackoffMs)) {
      for (const peer of seeding.peers) {
        if (this.#isStopped) throw stopped()
        this.#report({ peer, parts: 0 })
        try {
          return await this.#seedFrom(peer)
        } catch (error) {
          if (this.#isStopped) throw stopped()
          const reason = asMeridianError(error).message.slice(0, MAX_REASON_LENGTH)
          const failures = { ...this.#progress.failures, [peer]: reason }
          this.#report({ failures })
        } finally {
          this.#channel?.close()
          this.#channel = undefined
        }
      }
      await this.#pause(pauseMs * (0.5 + runtime.random.fraction() / 2))
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#channel?.close()
    this.#endPause?.()
  }

  async #seedFrom(peer: string): Promise<LogPosition> {
    const { seeding, runtime, group, machineVersion, schema } = this.#options
    const channel = new ReseedChannel(
      await seeding.transport.connect(peer, 'snapshot'),
      runtime.timers,
      seeding.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
    )
    this.#channel = channel
    if (this.#isStopped) throw stopped()
    const { region, creditBytes = CREDIT_BYTES } = seeding
    channel.send({ kind: 'open', region, group, machineVersion, schema })
    const { message: offer } = await channel.next()
    if (offer.kind !== 'offer') throw malformed()
    this.#requireUseful(offer)
    await this.#hold(offer.index)
    const writer = this.#newWriter()
    await writer.begin(peer, offer.index)
    channel.send({ kind: 'begin', credit: creditBytes })
    const end = await this.#receive(channel, writer)
    this.#requireBeyond(end.index)
    this.#requireSupported(end)
    await this.#hold(end.index)
    return writer.finish(end)
  }

  #newWriter(): ReseedWriter {
    const { schema } = this.#options
    return new ReseedWriter({
      ...this.#options,
      schemaVersion: schema.version,
      isStopped: () => this.#isStopped,
    })
  }

  async #receive(channel: ReseedChannel, writer: ReseedWriter): Promise<SnapshotEnd> {
    for (;;) {
      const { message, bytes } = await channel.next()
      switch (message.kind) {
        case 'offer':
        case 'state':
          throw malformed()
        case 'end':
          return message
        case 'mark':
          if (message.index >= this.#held + HOLD_STEP_RECORDS) await this.#hold(message.index)
          break
        default:
          await writer.apply(message)
          this.#report({ parts: this.#progress.parts + 1 })
      }
      channel.send({ kind: 'more', credit: bytes })
    }
  }

  /** The log goes on from behind the snapshot: it may not be trimmed there (protocol rule 9). */
  async #hold(index: number): Promise<void> {
    const { seeding, group, faults, logEnd } = this.#options
    // Believed, it would let the log be trimmed before others have read it, and this region wait.
    if (index > (await logEnd())) throw beyond(index)
    if (faults.skipRetentionHold === true) return
    this.#held = index
    await seeding.retention?.report(group, seeding.region, index + 1)
  }

  #requireUseful(offer: SnapshotOffer): void {
    const { machineVersion, schema } = this.#options
    const isNewer = offer.schema.version > schema.version
    if (isNewer || offer.schema.fingerprint !== schema.fingerprint) {
      throw new MeridianError(
        'SCHEMA_INCOMPATIBLE',
        `${offer.source} has schema ${offer.schema.version} and state machine ${offer.machineVersion}; ` +
          `this node has ${schema.version} and ${machineVersion}.`,
        { fix: 'Start both with the same version and schema.' },
      )
    }
    this.#requireSupported(offer)
    this.#requireBeyond(offer.index)
  }

  /** Protocol rule 13: behind the snapshot come records that this node would stop at. */
  #requireSupported(at: { readonly machineVersion: number }): void {
    const { group, machineVersion } = this.#options
    if (at.machineVersion <= machineVersion) return
    throw machineTooOld(group, at.machineVersion, machineVersion)
  }

  #requireBeyond(index: number): void {
    const applied = this.#applied()
    if (index < applied) throw behind(index, applied)
  }

  #report(change: Partial<ReseedProgress>): void {
    const isNews = change.peer !== undefined || change.failures !== undefined
    this.#progress = { ...this.#progress, ...change }
    if (isNews) this.#options.seeding.onProgress?.(this.#options.group, this.#progress)
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isStopped) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.runtime.timers.after(ms, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
    this.#endPause = undefined
  }
}

/** Why a group of a region cannot be read or written: it holds no state of one moment. */
export function reseedingError(group: string, progress: ReseedProgress): MeridianError {
  const { peer, failures, why } = progress
  const reasons = Object.entries(failures).map(([region, why]) => `${region}: ${why}`)
  const from = peer === null ? '' : ` from ${peer}`
  const because = why === undefined ? '' : ` ${why}`
  const tried = reasons.length === 0 ? '' : ` So far: ${reasons.join(' ')}`
  return new MeridianError(
    'LOG_UNAVAILABLE',
    `This region's copy of log group '${group}' is being seeded again${from}.${because}${tried}`,
    {
      retry: 'safe',
      fix: 'Repeat the call later, or send it to another region.',
      details: { group, reseedingFrom: peer, ...(why === undefined ? {} : { why }) },
    },
  )
}

function behind(index: number, applied: number): MeridianError {
  return new MeridianError('LOG_GAP', `The peer is at ${index}, this region at ${applied}.`, {
    fix: 'Wait until the peer has caught up, or seed from another region.',
  })
}

function beyond(index: number): MeridianError {
  return new MeridianError('LOG_FOREIGN', `The peer is at ${index}, beyond the end of the log.`, {
    fix: 'Let all regions follow one log.',
  })
}

function malformed(): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The peer speaks out of turn.')
}

function stopped(): MeridianError {
  return new MeridianError('CLOSED', 'The reseed was stopped.')
}
