/** Port: messages between clients and nodes, and between nodes. It carries bytes. */

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
  /**
   * Sends a request to a region's node and resolves with its response.
   *
   * @throws MeridianError `REGION_UNREACHABLE` when it cannot be sent (retry: safe) or when no
   * answer came (retry: unknown-outcome)
   */
  request(region: string, message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>

  /** Opens a channel. @throws MeridianError `REGION_UNREACHABLE` */
  connect(region: string): Promise<Channel>
}

/** The serving side of a region. */
export interface TransportHandlers {
  readonly onRequest: (message: Uint8Array) => Promise<Uint8Array>
  readonly onChannel: (channel: Channel) => void
}

/** A network that regions join. */
export interface Network {
  /** The transport of a caller that stands in `region`. */
  transport(region: string): Transport
  /** Starts serving; the returned function stops it. */
  listen(region: string, handlers: TransportHandlers): () => void
}
