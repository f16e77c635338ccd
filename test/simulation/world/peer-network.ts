/**
 * Channels between the nodes of regions, as over TCP: what is sent arrives in order, late where it had to
 * be sent again, and a link that stays cut breaks the channel on both sides. No message outlives the
 * process that it is for.
 */
import { MeridianError } from '../../../src/core/errors.ts'
import type { Channel, ChannelService, Transport } from '../../../src/core/ports/transport.ts'
import type { SimNetwork } from './network.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

/** Takes channels over that others open. */
export type Accept = (channel: Channel, service: ChannelService) => void

interface Server {
  readonly process: SimProcess
  readonly accept: Accept
}

const RESEND_MS = 250
const CONNECT_TIMEOUT_MS = 4_000
/** A side that waits for an acknowledgement this long takes the other for gone. */
const MAX_RESENDS = 8

export class PeerNetwork {
  readonly world: World
  readonly network: SimNetwork
  readonly #servers = new Map<string, Server>()

  constructor(world: World, network: SimNetwork) {
    this.world = world
    this.network = network
  }

  /** A process serves at its place, in place of the one before. */
  serve(place: string, process: SimProcess, accept: Accept): void {
    this.#servers.set(place, { process, accept })
  }

  transport(from: string, process: SimProcess): Transport {
    return {
      request: () => Promise.reject(unreachable(from, 'any')),
      connect: (to, service) => this.#connect(from, process, to, service),
    }
  }

  #connect(
    from: string,
    process: SimProcess,
    to: string,
    service: ChannelService,
  ): Promise<Channel> {
    return new Promise((resolve, reject) => {
      if (process.isKilled()) return
      const near = new ChannelEnd(this, process, from, to)
      const refuse = (): void => reject(unreachable(from, to))
      near.whenBroken(refuse)
      const cancel = process.after(CONNECT_TIMEOUT_MS, () => near.break())
      near.carry(() => {
        const server = this.#servers.get(to)
        if (server === undefined || server.process.isKilled()) return near.break()
        server.process.enter(() => {
          const far = new ChannelEnd(this, server.process, to, from)
          near.join(far)
          far.join(near)
          server.accept(far, service)
          far.carry(() =>
            process.enter(() => {
              cancel()
              resolve(near)
            }),
          )
        })
      })
    })
  }
}

class ChannelEnd implements Channel {
  readonly #peers: PeerNetwork
  readonly #process: SimProcess
  readonly #from: string
  readonly #to: string
  #peer: ChannelEnd | undefined
  #isClosed = false
  /** What is to be carried, the first of which is under way. */
  readonly #outgoing: (() => void)[] = []
  readonly #early: Uint8Array[] = []
  #onMessage: ((message: Uint8Array) => void) | undefined
  #onClose: () => void = () => undefined
  #onBroken: () => void = () => undefined

  constructor(peers: PeerNetwork, process: SimProcess, from: string, to: string) {
    this.#peers = peers
    this.#process = process
    this.#from = from
    this.#to = to
  }

  join(peer: ChannelEnd): void {
    this.#peer = peer
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return
    this.carry(() => this.#peer?.receive(message))
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
    for (const message of this.#early.splice(0)) listener(message)
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  whenBroken(listener: () => void): void {
    this.#onBroken = listener
  }

  close(): void {
    if (this.#isClosed) return
    this.carry(() => this.#peer?.end())
    this.end()
  }

  /** Both sides learn that the channel is gone, each in its own time. */
  break(): void {
    this.#peers.world.count('channel.broken')
    this.end()
    this.#peer?.end()
  }

  end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#process.after(0, () => {
      this.#onBroken()
      this.#onClose()
    })
  }

  receive(message: Uint8Array): void {
    this.#process.enter(() => {
      if (this.#isClosed) return
      if (this.#onMessage === undefined) this.#early.push(message)
      else this.#onMessage(message)
    })
  }

  /** Runs `deliver` at the other side, after all that was carried before. */
  carry(deliver: () => void): void {
    this.#outgoing.push(deliver)
    if (this.#outgoing.length === 1) this.#carryNext(0)
  }

  #carryNext(resends: number): void {
    const [deliver] = this.#outgoing
    if (deliver === undefined) return
    if (resends > MAX_RESENDS || this.#process.isKilled()) return this.break()
    const { network, world } = this.#peers
    const isSent = network.send(this.#from, this.#to, () => {
      this.#outgoing.shift()
      deliver()
      this.#carryNext(0)
    })
    if (!isSent) world.scheduler.after(RESEND_MS, () => this.#carryNext(resends + 1))
  }
}

function unreachable(from: string, to: string): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', `${to} cannot be reached from ${from}.`)
}
