/** A WebSocket that stands between two others: it is opened before the caller's is accepted. */
import { WebSocket } from 'ws'
import type { HttpResponse, MessageSocket } from '../../core/ports/http.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import { toMessageSocket } from '../http/message-socket.ts'
import { PostFailure } from './http-post.ts'
import { MAX_CHANNEL_MESSAGE_BYTES } from './ws-channel.ts'

/** What is opened. */
export interface PassedSocketOptions {
  readonly url: URL
  readonly protocols: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly ca?: string | undefined
  readonly timeoutMs: number
  readonly timers: Timers
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

/** An open socket, or the answer that came instead of one. */
export type PassedSocket =
  | {
      readonly kind: 'open'
      readonly socket: MessageSocket
      readonly protocol: string
      readonly maxMessageBytes: number
    }
  | { readonly kind: 'refused'; readonly response: HttpResponse }

const MAX_REFUSAL_BYTES = 65_536
/** So much may wait for one side before the other is read no more. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
const LOOK_AGAIN_MS = 10

/** @throws PostFailure: nothing was sent but the wish for a socket */
export function openPassedSocket(options: PassedSocketOptions): Promise<PassedSocket> {
  const { url, protocols, headers, ca, timeoutMs, timers, signal } = options
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [...protocols], {
      headers,
      handshakeTimeout: timeoutMs,
      perMessageDeflate: false,
      maxPayload: MAX_CHANNEL_MESSAGE_BYTES,
      ...(ca === undefined ? {} : { ca }),
    })
    const onAbort = (): void => socket.terminate()
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    socket.once('close', settle)
    socket.on('error', (cause) => reject(new PostFailure(false, signal.aborted, cause)))
    socket.once('unexpected-response', (_request, incoming) => {
      const status = incoming.statusCode ?? 502
      readSome(incoming).then(
        (body) => {
          const type = incoming.headers['content-type'] ?? 'text/plain'
          resolve({
            kind: 'refused',
            response: { status, headers: { 'content-type': type }, body },
          })
          socket.terminate()
        },
        (cause: unknown) => reject(new PostFailure(false, signal.aborted, cause)),
      )
    })
    socket.once('upgrade', ({ socket: connection }) => {
      // In the same turn as the event: messages may follow it at once.
      socket.once('open', () => {
        settle()
        const receivedBytes = (): number => connection.bytesRead
        const messages = toMessageSocket(socket, { timers, receivedBytes })
        const { protocol } = socket
        const maxMessageBytes = MAX_CHANNEL_MESSAGE_BYTES
        resolve({ kind: 'open', socket: messages, protocol, maxMessageBytes })
      })
    })
  })
}

/** What one side says the other hears; both end together. `onEnd` runs once. */
export function couple(
  near: MessageSocket,
  far: MessageSocket,
  timers: Timers,
  onEnd: () => void,
): void {
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    near.close()
    far.close()
    onEnd()
  }
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    let isPaused = false
    const resumeLater = (): void => {
      timers.after(LOOK_AGAIN_MS, () => {
        if (isOver) return
        if (to.bufferedBytes() > MAX_WAITING_BYTES) return resumeLater()
        isPaused = false
        from.resume()
      })
    }
    from.onClose(end)
    from.onMessage((message) => {
      to.send(message)
      if (isPaused || to.bufferedBytes() <= MAX_WAITING_BYTES) return
      isPaused = true
      from.pause()
      resumeLater()
    })
  }
}

async function readSome(incoming: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of incoming) {
    bytes += chunk.length
    if (bytes > MAX_REFUSAL_BYTES) break
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
