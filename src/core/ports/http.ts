/** Port: HTTP and WebSocket, as whoever serves them sees it. Sockets, TLS and limits lie beneath. */

/** A request whose head has been read. */
export interface HttpRequest {
  readonly method: string
  /** Decoded path without the query, beginning with `/`. */
  readonly path: string
  readonly query: URLSearchParams
  /** By lower-case name; of repeated ones the first. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly remoteAddress: string
  /** Aborted when the other side hangs up before its answer, or the server stops. */
  readonly signal: AbortSignal
  /**
   * The whole body, decompressed where it came compressed (`gzip`, `deflate`, `br`); the bound
   * holds for both forms.
   *
   * @throws MeridianError `REQUEST_TOO_LARGE`, `PROTOCOL_MALFORMED` (cut off, wrong compression),
   * `DEADLINE_EXCEEDED` (came too slowly)
   */
  body(maxBytes: number): Promise<Uint8Array>
}

/** An answer. */
export interface HttpResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Nothing, the whole, or pieces as they come; each piece is sent at once. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
}

/** An open WebSocket. Text frames are strings, binary frames bytes that the listener owns. */
export interface MessageSocket {
  /** Queues a message; dropped once the socket is closed. */
  send(message: string | Uint8Array): void
  /** Set it before the first turn of the event loop ends. */
  onMessage(listener: (message: string | Uint8Array) => void): void
  /** Runs once, when either side closed or the connection broke. */
  onClose(listener: () => void): void
  /** Bytes that wait to be sent: whoever produces faster than its peer reads must stop. */
  bufferedBytes(): number
  /** Reads no more messages until `resume`: flow control by the transport's own window. */
  pause(): void
  resume(): void
  /** `code`: RFC 6455, 1000 when left out. */
  close(code?: number, reason?: string): void
}

/** What becomes of a request for a WebSocket. */
export type UpgradeDecision =
  | {
      readonly kind: 'open'
      /** The subprotocol that was chosen of those offered. */
      readonly protocol?: string
      readonly maxMessageBytes: number
      open(socket: MessageSocket): void
    }
  | { readonly kind: 'refuse'; readonly response: HttpResponse }

/** Serves requests. Must not reject: what does is answered with 500 and reported. */
export interface HttpHandler {
  request(request: HttpRequest): Promise<HttpResponse>
  /** `protocols`: the subprotocols that the other side offers. Left out: no WebSockets. */
  upgrade?(request: HttpRequest, protocols: readonly string[]): Promise<UpgradeDecision>
}
