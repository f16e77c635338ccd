/** Requests for a WebSocket: the handler decides, `ws` speaks. */
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { HttpResponse, UpgradeDecision } from '../../core/ports/http.ts'
import { answer, plainResponse, send, toRequest, type ExchangeContext } from './http-exchange.ts'
import { toMessageSocket } from './message-socket.ts'

/** What upgrades need besides. */
export interface UpgradeContext extends ExchangeContext {
  /** Keeps an open WebSocket until it closes. */
  readonly onOpen: (socket: WebSocket) => void
}

/** Answers one request for a WebSocket. Never rejects. */
export async function upgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  context: UpgradeContext,
): Promise<void> {
  // Whoever hangs up before `ws` listens must not end the process.
  socket.on('error', () => undefined)
  const decision = await decide(incoming, socket, context)
  if (socket.destroyed) return
  if ('kind' in decision && decision.kind === 'open') {
    if (context.isDraining()) await refuse(incoming, socket, plainResponse(503), context)
    else open(incoming, socket, head, decision, context)
    return
  }
  await refuse(incoming, socket, 'kind' in decision ? decision.response : decision, context)
}

async function decide(
  incoming: IncomingMessage,
  socket: Duplex,
  context: UpgradeContext,
): Promise<UpgradeDecision | HttpResponse> {
  const { handler } = context
  const isWebSocket = incoming.headers.upgrade?.toLowerCase() === 'websocket'
  if (!isWebSocket || handler.upgrade === undefined) return plainResponse(isWebSocket ? 404 : 400)
  const protocols = offeredProtocols(incoming)
  const hangUp = new AbortController()
  const onHangUp = (): void => hangUp.abort()
  socket.once('close', onHangUp)
  const parsed = toRequest(incoming, context, () => hangUp.signal)
  if (parsed === undefined) return plainResponse(400)
  const decision = await answer(
    async () => handler.upgrade?.(parsed.request, protocols) ?? plainResponse(404),
    parsed,
    context,
  )
  socket.off('close', onHangUp)
  return decision
}

function offeredProtocols(incoming: IncomingMessage): readonly string[] {
  return (incoming.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')
}

function open(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  decision: Extract<UpgradeDecision, { kind: 'open' }>,
  context: UpgradeContext,
): void {
  const { maxMessageBytes, protocol } = decision
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Its memory a connection is not worth what it saves of messages that are small or encrypted.
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handleProtocols: () => protocol ?? false,
  })
  server.handleUpgrade(incoming, socket, head, (webSocket) => {
    context.onOpen(webSocket)
    const messages = toMessageSocket(webSocket, {
      timers: context.timers,
      receivedBytes: () => incoming.socket.bytesRead,
    })
    try {
      decision.open(messages)
    } catch (error) {
      context.onError(error)
      messages.close(1011)
    }
  })
}

async function refuse(
  incoming: IncomingMessage,
  socket: Duplex,
  response: HttpResponse,
  context: UpgradeContext,
): Promise<void> {
  const outgoing = new ServerResponse(incoming)
  // An upgrade request's socket is a net or TLS socket; the types of `http` say less.
  outgoing.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  const headers = { ...response.headers, connection: 'close' }
  await send(incoming, outgoing, { ...response, headers }, context)
  socket.end(() => socket.destroy())
}
