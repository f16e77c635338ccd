/**
 * Reads the body of a request: bounded in its compressed and its decompressed form, and in time.
 * Decompression stops at the bound, so a body of a few bytes cannot fill the memory.
 */
import type { IncomingMessage } from 'node:http'
import type { Readable, Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { MeridianError } from '../../core/errors.ts'
import type { Timers } from '../../core/ports/runtime.ts'

/** What a body may take. */
export interface BodyLimits {
  /** Of the bytes as they come, and of the bytes that they unfold to. */
  readonly maxBytes: number
  /** In each such time the body ends or brings at least `MIN_PROGRESS_BYTES`. */
  readonly timeoutMs: number
  readonly timers: Timers
  /** Runs unless the body is refused by its head: who waits for a sign to send it gets it here. */
  readonly onStart?: (() => void) | undefined
}

/** Slower is an attack or a broken link: 1.6 kB/s at the default time-out of ten seconds. */
const MIN_PROGRESS_BYTES = 16_384

/**
 * The whole body, decompressed.
 *
 * @throws MeridianError `REQUEST_TOO_LARGE`, `PROTOCOL_MALFORMED`, `DEADLINE_EXCEEDED`
 */
export function readBody(incoming: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  const announced = Number(incoming.headers['content-length'] ?? 0)
  if (announced > limits.maxBytes) return Promise.reject(tooLarge(limits.maxBytes))
  const encoding = (incoming.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const decoder = decoderOf(encoding)
  if (decoder === undefined) return Promise.reject(wrongEncoding())
  limits.onStart?.()
  const here = decoder === 'none' ? takeWhole(incoming, announced) : undefined
  if (here !== undefined) {
    // In this turn the request is not over yet, and an early answer would count as one of a part.
    return new Promise((resolve) => limits.timers.defer(() => resolve(here)))
  }
  return new BodyReader(incoming, decoder === 'none' ? undefined : decoder, limits).result
}

/** A body that has come with its head, as small ones do: there is nothing to wait for. */
function takeWhole(incoming: IncomingMessage, announced: number): Uint8Array | undefined {
  if (announced === 0 || incoming.readableLength !== announced) return undefined
  const bytes = incoming.read() as Buffer | null
  // The end of the request is read, too: else the connection would wait for its reader.
  incoming.resume()
  return bytes === null ? undefined : new Uint8Array(bytes)
}

function decoderOf(encoding: string): Transform | 'none' | undefined {
  switch (encoding) {
    case 'identity':
    case '':
      return 'none'
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    default:
      return undefined
  }
}

class BodyReader {
  readonly result: Promise<Uint8Array>
  readonly #incoming: IncomingMessage
  readonly #decoder: Transform | undefined
  readonly #limits: BodyLimits
  readonly #chunks: Uint8Array[] = []
  #receivedBytes = 0
  #bodyBytes = 0
  #isSettled = false
  #resolve: (body: Uint8Array) => void = () => undefined
  #reject: (error: MeridianError) => void = () => undefined
  #stopTimer: () => void = () => undefined

  constructor(incoming: IncomingMessage, decoder: Transform | undefined, limits: BodyLimits) {
    this.#incoming = incoming
    this.#decoder = decoder
    this.#limits = limits
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#watchProgress(0)
    incoming.on('error', this.#onCutOff)
    incoming.on('close', this.#onCutOff)
    incoming.on('data', this.#onReceived)
    if (decoder === undefined) this.#collect(incoming)
    else {
      this.#collect(decoder)
      decoder.on('error', (cause) => this.#fail(wrongCompression(cause)))
      incoming.pipe(decoder)
    }
    if (incoming.destroyed && !incoming.readableEnded) this.#onCutOff()
  }

  #collect(source: Readable): void {
    source.on('data', this.#onBody)
    source.on('end', this.#onEnd)
  }

  readonly #onCutOff = (): void => {
    if (!this.#incoming.complete) this.#fail(cutOff())
  }

  readonly #onReceived = (chunk: Uint8Array): void => {
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > this.#limits.maxBytes) this.#fail(tooLarge(this.#limits.maxBytes))
  }

  readonly #onBody = (chunk: Uint8Array): void => {
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > this.#limits.maxBytes) this.#fail(tooLarge(this.#limits.maxBytes))
    else if (!this.#isSettled) this.#chunks.push(chunk)
  }

  readonly #onEnd = (): void => {
    if (this.#isSettled) return
    this.#settle()
    const body = new Uint8Array(this.#bodyBytes)
    let at = 0
    for (const chunk of this.#chunks) {
      body.set(chunk, at)
      at += chunk.length
    }
    this.#resolve(body)
  }

  #watchProgress(sinceBytes: number): void {
    const { timers, timeoutMs } = this.#limits
    this.#stopTimer = timers.after(timeoutMs, () => {
      if (this.#receivedBytes - sinceBytes < MIN_PROGRESS_BYTES) this.#fail(tooSlow())
      else this.#watchProgress(this.#receivedBytes)
    })
  }

  #fail(error: MeridianError): void {
    if (this.#isSettled) return
    this.#settle()
    this.#chunks.length = 0
    this.#reject(error)
  }

  /** Leaves the rest of the request to whoever answers it. */
  #settle(): void {
    this.#isSettled = true
    this.#stopTimer()
    this.#incoming.off('data', this.#onReceived)
    this.#incoming.off('data', this.#onBody)
    if (this.#decoder !== undefined) {
      this.#incoming.unpipe(this.#decoder)
      this.#decoder.destroy()
    }
  }
}

function tooLarge(maxBytes: number): MeridianError {
  return new MeridianError('REQUEST_TOO_LARGE', `The body has more than ${maxBytes} bytes.`, {
    fix: 'Split it into smaller requests.',
    details: { maxBytes },
  })
}

function cutOff(): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The body was cut off.', {
    fix: 'Send as many bytes as the head announces.',
  })
}

function wrongEncoding(): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The content-encoding is not supported.', {
    fix: 'Use one of gzip, deflate and br, or none.',
  })
}

function wrongCompression(cause: Error): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', 'The body cannot be decompressed.', {
    fix: 'Compress it as its content-encoding says.',
    cause,
  })
}

function tooSlow(): MeridianError {
  return new MeridianError('DEADLINE_EXCEEDED', 'The body came too slowly.', {
    fix: 'Repeat over a better link.',
  })
}
