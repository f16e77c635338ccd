/** Port: messages between clients and nodes, and between nodes. It carries bytes. */
import type { Caller } from '../principal.ts'

/** What a channel between two regions is for. */
export type ChannelService = 'stream' | 'commit-log' | 'snapshot' | 'clock' | 'leases'

/** A duplex, ordered stream of messages. */
export interface Channel {
  /** Queues a message. Silently dropped once the channel is closed. */
  send(message: Uint8Array): void
  /** Messages of the peer, in order. Set it before the first turn of the event loop ends. */
  onMessage(listener: (message: Uint8Array) => void): void
  /** Runs once, when either side closed or the connection broke. */
  onClose(listener: () => void): void
  close(): void
}

/** The calling side, as one region sees it. */
export interface Transport {
  /** False where aborting a request saves nothing; then callers give no signal. */
  readonly canAbort?: boolean
  /**
   * Sends a request to a region's node and resolves with its response.
   *
   * @throws MeridianError `REGION_UNREACHABLE` when it cannot be sent (retry: safe) or when no
   * answer came (retry: unknown-outcome)
   */
  request(region: string, message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>

  /**
   * Opens a channel to a service of a region.
   *
   * @throws MeridianError `REGION_UNREACHABLE`, `UNAUTHENTICATED`, `PERMISSION_DENIED`
   */
  connect(region: string, service: ChannelService): Promise<Channel>
}

/** The serving side of a region. */
export interface TransportHandlers {
  /** Answers one message; what goes wrong is in the answer. */
  readonly onRequest: (message: Uint8Array, caller: Caller) => Promise<Uint8Array>
  /** Takes a channel over, or closes it where it serves no such service. */
  readonly onChannel: (channel: Channel, service: ChannelService, caller: Caller) => void
}

/** A network that regions join. */
export interface Network {
  /** The transport of a caller that stands in `region`. */
  transport(region: string): Transport
  /** Starts serving; the returned function stops it. */
  listen(region: string, handlers: TransportHandlers): () => void
}
