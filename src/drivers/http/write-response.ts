/**
 * Sends an answer: no faster than its reader reads, no longer than its reader is there, and never
 * kept waiting for ever by a reader that has stopped.
 */
import type { ServerResponse } from 'node:http'
import type { HttpResponse } from '../../core/ports/http.ts'
import type { Timers } from '../../core/ports/runtime.ts'

/** A reader that takes nothing for so long is gone. */
const STALL_TIMEOUT_MS = 60_000
/** A long body is handed over in such pieces, so that progress shows. */
const PIECE_BYTES = 262_144
const STATUS_WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** How an answer is sent. */
export interface WriteOptions {
  readonly timers: Timers
  /** The connection carries no further request. */
  readonly isLast: boolean
  /** Runs after the last byte of the body, before the answer is over. */
  readonly beforeEnd?: () => Promise<void>
}

/**
 * Writes the answer; resolves once it is handed to the system or its reader has hung up.
 * Rejects with what the body failed with, and when a header is not one.
 */
export async function writeResponse(
  outgoing: ServerResponse,
  response: HttpResponse,
  options: WriteOptions,
): Promise<void> {
  const { status, headers = {}, body } = response
  for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value)
  if (options.isLast) outgoing.setHeader('connection', 'close')
  outgoing.statusCode = status
  const hasBody = !STATUS_WITHOUT_BODY.has(status)
  const whole = wholeBody(body)
  if (whole !== undefined) {
    if (hasBody) outgoing.setHeader('content-length', whole.length)
    if (options.beforeEnd === undefined && whole.length <= PIECE_BYTES) {
      outgoing.end(hasBody ? whole : undefined)
      return finished(outgoing, options.timers)
    }
  }
  outgoing.flushHeaders()
  if (outgoing.req.method === 'HEAD' || !hasBody) {
    if (isIterable(body)) await body[Symbol.asyncIterator]().return?.()
  } else if (whole !== undefined) await writePieces(outgoing, piecesOf(whole), options.timers)
  else if (isIterable(body)) await writePieces(outgoing, body, options.timers)
  await options.beforeEnd?.()
  outgoing.end()
  return finished(outgoing, options.timers)
}

function isIterable(body: HttpResponse['body']): body is AsyncIterable<string | Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body
}

/** The body where it is whole; `undefined` where it comes in pieces. */
function wholeBody(body: HttpResponse['body']): Uint8Array | undefined {
  if (body === undefined) return new Uint8Array(0)
  if (typeof body === 'string') return Buffer.from(body)
  return isIterable(body) ? undefined : body
}

async function* piecesOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}

async function writePieces(
  outgoing: ServerResponse,
  pieces: AsyncIterable<string | Uint8Array>,
  timers: Timers,
): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]()
  for (;;) {
    const next = await nextOrGone(iterator, outgoing)
    if (next === 'gone') {
      // Not awaited: a generator that waits within itself ends when it goes on.
      Promise.resolve(iterator.return?.()).catch(() => undefined)
      return
    }
    if (next.done === true) return
    if (next.value.length > 0 && !outgoing.write(next.value)) await roomFor(outgoing, timers)
  }
}

/** The next piece, unless the reader hangs up before it comes. */
function nextOrGone<T>(
  iterator: AsyncIterator<T>,
  outgoing: ServerResponse,
): Promise<IteratorResult<T> | 'gone'> {
  if (outgoing.destroyed) return Promise.resolve('gone')
  return new Promise((resolve, reject) => {
    const onClose = (): void => resolve('gone')
    outgoing.once('close', onClose)
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => outgoing.off('close', onClose))
  })
}

/** Resolves when there is room again or the reader is gone. */
function roomFor(outgoing: ServerResponse, timers: Timers): Promise<void> {
  return eventOrClose(outgoing, 'drain', timers)
}

function finished(outgoing: ServerResponse, timers: Timers): Promise<void> {
  // Nothing of it is left here: the system has it all.
  const isHandedOver = outgoing.writableFinished || isWhollyWritten(outgoing)
  return isHandedOver ? Promise.resolve() : eventOrClose(outgoing, 'finish', timers)
}

/** What waits for the answers before it on its connection counts as not written. */
function isWhollyWritten({ socket, writableEnded, writableLength }: ServerResponse): boolean {
  return writableEnded && socket !== null && writableLength === 0
}

function eventOrClose(
  outgoing: ServerResponse,
  event: 'drain' | 'finish',
  timers: Timers,
): Promise<void> {
  if (outgoing.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const settle = (): void => {
      stopTimer()
      outgoing.off(event, settle)
      outgoing.off('close', settle)
      resolve()
    }
    const stopTimer = timers.after(STALL_TIMEOUT_MS, () => outgoing.destroy())
    outgoing.once(event, settle)
    outgoing.once('close', settle)
  })
}
