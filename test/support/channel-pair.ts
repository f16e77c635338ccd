/** Two ends of a channel in memory, so that a test can be one of the peers. */
import type { Channel } from '../../src/core/ports/transport.ts'

/** An end whose messages a test reads and writes. */
export interface TestEnd extends Channel {
  /** What came, decoded by nobody. */
  readonly received: Uint8Array[]
}

/** A channel to hand to an engine, and the test's own end of it. */
export function channelPair(): { readonly channel: Channel; readonly peer: TestEnd } {
  const [channel, peer] = [new End(), new End()]
  channel.peer = peer
  peer.peer = channel
  peer.onMessage((message) => peer.received.push(message))
  return { channel, peer }
}

class End implements TestEnd {
  readonly received: Uint8Array[] = []
  peer: End | undefined
  isClosed = false
  #onMessage: ((message: Uint8Array) => void) | undefined
  #onClose: (() => void) | undefined

  send(message: Uint8Array): void {
    if (this.isClosed) return
    queueMicrotask(() => {
      if (this.peer?.isClosed === false) this.peer.#onMessage?.(message)
    })
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#onClose?.()
    queueMicrotask(() => this.peer?.close())
  }
}
