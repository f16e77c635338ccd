/** The calling side of a channel: a WebSocket to another node, or why there is none. */
import { WebSocket } from 'ws'
import { MeridianError } from '../../core/errors.ts'
import type { MessageSocket } from '../../core/ports/http.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import { toMessageSocket } from '../http/message-socket.ts'
import { unreachable } from './transport-errors.ts'
import { MAX_CHANNEL_MESSAGE_BYTES } from './ws-channel.ts'

/** What is opened. */
export interface OpenChannelOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly ca?: string | undefined
  readonly from: string
  readonly to: string
  readonly timeoutMs: number
  readonly timers: Timers
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

/** @throws MeridianError `REGION_UNREACHABLE`, `UNAUTHENTICATED`, `PERMISSION_DENIED` */
export function openSocket(options: OpenChannelOptions): Promise<MessageSocket> {
  const { from, to, timers, signal } = options
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(options.url, {
      headers: options.headers,
      handshakeTimeout: options.timeoutMs,
      perMessageDeflate: false,
      maxPayload: MAX_CHANNEL_MESSAGE_BYTES,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
    const onAbort = (): void => socket.terminate()
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('close', () => signal.removeEventListener('abort', onAbort))
    socket.on('error', (cause) => reject(unreachable(from, to, 'safe', cause)))
    socket.once('unexpected-response', (_request, response) => {
      reject(refused(from, to, response.statusCode ?? 0))
      socket.terminate()
    })
    socket.once('upgrade', ({ socket: connection }) => {
      // In the same turn as the event: messages may follow it at once.
      socket.once('open', () => {
        signal.removeEventListener('abort', onAbort)
        resolve(toMessageSocket(socket, { timers, receivedBytes: () => connection.bytesRead }))
      })
    })
  })
}

function refused(from: string, to: string, status: number): MeridianError {
  const details = { from, to, status }
  if (status === 401) {
    return new MeridianError('UNAUTHENTICATED', `Region ${to} does not know ${from}.`, {
      fix: 'Compare the node keys and the clocks of both.',
      // Keys and clocks are put right at either end, without this process: it is to try again.
      retry: 'safe',
      details,
    })
  }
  if (status === 403) {
    return new MeridianError('PERMISSION_DENIED', `Region ${to} opens no channel to ${from}.`, {
      details,
    })
  }
  const cause = new Error(`The channel was refused with HTTP status ${status}.`)
  return unreachable(from, to, 'safe', cause)
}
