/**
 * Serves snapshots of a region's log groups to the nodes of other regions, over channels. Sends no
 * more than it was given credit for, few at a time, and nothing of a group that is not whole itself.
 */
import { asMeridianError, MeridianError, toWireError } from '../../src/core/errors.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Channel } from '../../src/core/ports/transport.ts'
import type { Caller } from '../../src/core/principal.ts'
import {
  decodeAskMessage,
  encodePeerMessage,
  type AskMessage,
  type GroupPeerState,
  type SchemaOf,
} from './snapshot-messages.ts'
import type { SnapshotStream } from './snapshot-source.ts'

/** A group that can be sent. */
export interface OfferedGroup {
  readonly group: string
  /** The version that its log has risen to. */
  machineVersion(): number
  readonly schema: SchemaOf
  applied(): number
  /** @throws MeridianError where this region follows the log no more, or has no whole state */
  requireWhole(): void
  /** Where this region is, whole or not. */
  peerState(): GroupPeerState
  /** The state, in parts. */
  snapshot(): SnapshotStream
}

/** What a server is made of. */
export interface SnapshotServerOptions {
  readonly source: string
  /** The other regions; nobody else may ask. */
  readonly regions: readonly string[]
  readonly groups: readonly OfferedGroup[]
  readonly runtime: Runtime
  /** Regions served at the same time. Default 2. */
  readonly maxSessions?: number
  /** A region that takes nothing for this long is given up. Default 60,000. */
  readonly idleTimeoutMs?: number
}

/** A running server. */
export interface SnapshotServer {
  /** Serves a channel that a node of another region opened. */
  accept(channel: Channel, caller: Caller): void
  stop(): void
}

const MAX_SESSIONS = 2
/** Regions that only ask where this one is; each may ask for several groups at once. */
const MAX_CHANNELS_EACH = 8
const IDLE_TIMEOUT_MS = 60_000

export function createSnapshotServer(options: SnapshotServerOptions): SnapshotServer {
  const sessions = new Set<SnapshotSession>()
  let isStopped = false
  return {
    accept(channel, caller) {
      const mostChannels = MAX_CHANNELS_EACH * Math.max(1, options.regions.length)
      if (isStopped || sessions.size >= mostChannels) return channel.close()
      const isFull = (): boolean => {
        const seeded = [...sessions].filter((one) => one.isSeeding())
        return seeded.length >= (options.maxSessions ?? MAX_SESSIONS)
      }
      const session: SnapshotSession = new SnapshotSession(options, channel, caller, isFull, () =>
        sessions.delete(session),
      )
      sessions.add(session)
    },
    stop() {
      isStopped = true
      for (const session of sessions) session.close()
    },
  }
}

/** One region's snapshot of one group. */
class SnapshotSession {
  readonly #options: SnapshotServerOptions
  readonly #channel: Channel
  readonly #caller: Caller
  readonly #isFull: () => boolean
  #group: OfferedGroup | undefined
  /** What the asking node's state machine evaluates. */
  #supported = 0
  #credit = 0
  #isSending = false
  #isClosed = false
  #onCredit: (() => void) | undefined
  #cancelIdle: () => void = () => undefined

  constructor(
    options: SnapshotServerOptions,
    channel: Channel,
    caller: Caller,
    isFull: () => boolean,
    onClose: () => void,
  ) {
    this.#options = options
    this.#channel = channel
    this.#caller = caller
    this.#isFull = isFull
    channel.onMessage((bytes) => {
      try {
        this.#receive(decodeAskMessage(bytes))
      } catch (error) {
        this.#fail(error)
      }
    })
    channel.onClose(() => {
      this.#end()
      onClose()
    })
    this.#waitForAsker()
  }

  /** A snapshot was opened here. */
  isSeeding(): boolean {
    return this.#group !== undefined
  }

  close(): void {
    this.#end()
    this.#channel.close()
  }

  #receive(message: AskMessage): void {
    this.#waitForAsker()
    if (message.kind === 'open') return this.#open(message)
    if (message.kind === 'ask') {
      const state = this.#groupFor(message).peerState()
      this.#channel.send(encodePeerMessage(state))
      return this.close()
    }
    if (this.#group === undefined) {
      throw new MeridianError('PROTOCOL_MALFORMED', 'A snapshot must be opened first.')
    }
    this.#credit += message.credit
    this.#onCredit?.()
    if (message.kind === 'more' || this.#isSending) return
    this.#isSending = true
    this.#send(this.#group).catch((error: unknown) => this.#fail(error))
  }

  #open(message: AskMessage & { kind: 'open' }): void {
    const { source } = this.#options
    const group = this.#groupFor(message)
    if (this.#isFull()) {
      throw new MeridianError('OVERLOADED', 'Other regions are being seeded from here.', {
        fix: 'Ask again later, or another region.',
      })
    }
    group.requireWhole()
    this.#group = group
    this.#supported = message.machineVersion
    const { schema } = group
    const machineVersion = group.machineVersion()
    this.#requireSupported(machineVersion)
    const index = group.applied()
    this.#channel.send(encodePeerMessage({ kind: 'offer', source, index, machineVersion, schema }))
  }

  /** The group that a node asks for, where it may. */
  #groupFor({ region, group: name }: { region: string; group: string }): OfferedGroup {
    const { regions, groups } = this.#options
    const callerRegions = this.#caller.principal.regions
    if (callerRegions !== undefined && !callerRegions.includes(region)) {
      throw new MeridianError('PERMISSION_DENIED', `The caller is not a node of ${region}.`, {
        fix: 'A node asks for its own region, with its own key.',
      })
    }
    if (!regions.includes(region)) {
      throw new MeridianError('REGION_UNKNOWN', `Region ${region} may not be seeded from here.`, {
        fix: 'Add the region to the topology of every region.',
      })
    }
    const group = groups.find((one) => one.group === name)
    if (group === undefined) {
      throw new MeridianError('INVALID_ARGUMENT', `There is no log group '${name}' here.`)
    }
    return group
  }

  async #send(group: OfferedGroup): Promise<void> {
    for await (const message of group.snapshot()) {
      while (this.#credit <= 0 && !this.#isClosed) {
        await new Promise<void>((resolve) => {
          this.#onCredit = resolve
        })
      }
      if (this.#isClosed) return
      group.requireWhole()
      // The log may have risen since: followed from here, it would stop the asker at once.
      if (message.kind === 'end') this.#requireSupported(message.machineVersion)
      const bytes = encodePeerMessage(message)
      this.#credit -= bytes.length
      this.#channel.send(bytes)
    }
  }

  #requireSupported(machineVersion: number): void {
    if (machineVersion <= this.#supported) return
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `The log has risen to version ${machineVersion} of the state machine; the asking node has ${this.#supported}.`,
      { fix: 'Upgrade that node.' },
    )
  }

  #waitForAsker(): void {
    this.#cancelIdle()
    const { runtime, idleTimeoutMs = IDLE_TIMEOUT_MS } = this.#options
    this.#cancelIdle = runtime.timers.after(idleTimeoutMs, () => this.close())
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    const wire = toWireError(asMeridianError(error))
    this.#channel.send(encodePeerMessage({ kind: 'refuse', error: wire }))
    this.close()
  }

  #end(): void {
    this.#isClosed = true
    this.#cancelIdle()
    this.#onCredit?.()
  }
}
