/**
 * The lease mesh of a region's node, over the network that the regions share: one channel to each
 * other region for what this one sends, opened again when it breaks. A channel begins with a
 * greeting, version 1: MessagePack of `[1, region, durationMs, driftRate]`. Regions that count
 * leases differently would wait too short for each other: they take none.
 */
import { MeridianError } from '../core/errors.ts'
import type { CancelTimer, Runtime } from '../core/ports/runtime.ts'
import type { Channel, Transport } from '../core/ports/transport.ts'
import type { Caller } from '../core/principal.ts'
import type { LeaseMesh, LeaseMeshMember } from '../../replication/strong/leases/lease-mesh.ts'
import type { LeaseSettings } from '../../replication/strong/leases/lease-runtime.ts'
import { packedArrays } from '../protocol/packed-array.ts'

/** What the mesh is made of. */
export interface NodeLeaseMeshOptions {
  readonly region: string
  /** The other regions. */
  readonly peers: readonly string[]
  readonly transport: Transport
  readonly runtime: Runtime
  readonly settings: LeaseSettings
  /** Told of a region whose settings differ. */
  readonly onFailure: (error: MeridianError) => void
}

/** The mesh, with its serving side. */
export interface NodeLeaseMesh extends LeaseMesh {
  /** Takes a channel over that another region's node has opened. */
  accept(channel: Channel, caller: Caller): void
  close(): void
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 2_000

const { pack, unpack, text } = packedArrays({
  one: 'a greeting of the lease mesh',
  many: 'lease greetings',
  version: 1,
})

/** Opens the channels; they are opened again for as long as the mesh lives. */
export function createLeaseMesh(options: NodeLeaseMeshOptions): NodeLeaseMesh {
  return new RegionMesh(options)
}

class RegionMesh implements NodeLeaseMesh {
  readonly #options: NodeLeaseMeshOptions
  readonly #out = new Map<string, Channel>()
  readonly #in = new Set<Channel>()
  readonly #members = new Set<LeaseMeshMember>()
  readonly #timers = new Map<string, CancelTimer>()
  #isClosed = false

  constructor(options: NodeLeaseMeshOptions) {
    this.#options = options
    for (const peer of options.peers) void this.#connect(peer, FIRST_RETRY_MS)
  }

  broadcast(message: Uint8Array): void {
    for (const channel of this.#out.values()) channel.send(message)
  }

  join(member: LeaseMeshMember): () => void {
    this.#members.add(member)
    return () => this.#members.delete(member)
  }

  accept(channel: Channel, caller: Caller): void {
    if (this.#isClosed) return channel.close()
    this.#in.add(channel)
    let from: string | undefined
    channel.onMessage((bytes) => {
      if (from !== undefined) {
        for (const member of this.#members) member.onMessage(from, bytes)
        return
      }
      from = this.#greeted(bytes, caller)
      if (from === undefined) channel.close()
    })
    channel.onClose(() => this.#in.delete(channel))
  }

  close(): void {
    this.#isClosed = true
    for (const cancel of this.#timers.values()) cancel()
    for (const channel of [...this.#out.values(), ...this.#in]) channel.close()
    this.#out.clear()
  }

  /** The region that greets; undefined: it may not take part. */
  #greeted(bytes: Uint8Array, caller: Caller): string | undefined {
    const { peers, settings, onFailure } = this.#options
    let fields: readonly unknown[]
    try {
      fields = unpack(bytes)
    } catch (error) {
      if (error instanceof MeridianError) return undefined
      throw error
    }
    const region = text(fields[1])
    const { regions } = caller.principal
    if (!peers.includes(region) || regions?.includes(region) === false) return undefined
    const [, , durationMs, driftRate] = fields
    if (durationMs === settings.durationMs && driftRate === settings.driftRate) return region
    onFailure(
      new MeridianError(
        'CONFIG_INVALID',
        `Region ${region} has leases of ${String(durationMs)} ms, this one of ${settings.durationMs} ms.`,
        { fix: 'Give `commitLog.leaseDurationMs` the same value in every region.' },
      ),
    )
    for (const member of this.#members) member.onDisagreement()
    return undefined
  }

  async #connect(peer: string, retryMs: number): Promise<void> {
    const { transport, region, settings, runtime } = this.#options
    let channel: Channel | undefined
    try {
      channel = await transport.connect(peer, 'leases')
    } catch {
      // Away, or not open yet.
    }
    if (this.#isClosed) return channel?.close()
    if (channel === undefined) return this.#connectLater(peer, retryMs)
    const opened = channel
    const openedMs = runtime.clock.monotonicMs()
    channel.onMessage(() => undefined)
    channel.onClose(() => {
      if (this.#out.get(peer) !== opened) return
      this.#out.delete(peer)
      // One that is refused at once is not asked again at once.
      const lastedMs = runtime.clock.monotonicMs() - openedMs
      this.#connectLater(peer, lastedMs > LAST_RETRY_MS ? FIRST_RETRY_MS : retryMs)
    })
    channel.send(pack([region, settings.durationMs, settings.driftRate]))
    this.#out.set(peer, channel)
    for (const member of this.#members) member.onPeer()
  }

  #connectLater(peer: string, retryMs: number): void {
    if (this.#isClosed) return
    const { timers, random } = this.#options.runtime
    const next = Math.min(2 * retryMs, LAST_RETRY_MS)
    const pauseMs = retryMs * (0.5 + random.fraction() / 2)
    this.#timers.set(
      peer,
      timers.after(pauseMs, () => void this.#connect(peer, next)),
    )
  }
}
