/**
 * The cheapest client that there can be: messages of the protocol over a few connections to one
 * node, many under way on each. What one turn of the event loop sends shares a write.
 */
import { connect, type Socket } from 'node:net'
import { MeridianError } from '../../src/core/errors.ts'
import { MESSAGE_CONTENT_TYPE, REGION_HEADER, REQUEST_PATH } from '../../src/core/wire-http.ts'
import { AnswerReader } from './answer-reader.ts'

/** Sends a message to a region's node; resolves to its answer. */
export interface MessageClient {
  request(message: Uint8Array): Promise<Uint8Array>
  close(): void
}

/** Where the node is, and who asks. */
interface PipelinedClientOptions {
  readonly url: string
  readonly region: string
  readonly token: string
  readonly inFlight: number
}

/** A node takes 32 on one connection, and counts answers for a moment after they were sent. */
const MAX_PIPELINED = 14

interface Waiting {
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: Error) => void
}

/** Opens the connections that so many messages under way need. */
export async function openPipelinedClient(options: PipelinedClientOptions): Promise<MessageClient> {
  const count = Math.ceil(options.inFlight / MAX_PIPELINED)
  const lanes = await Promise.all(Array.from({ length: count }, () => openLane(options)))
  const idlest = (): Lane => lanes.reduce((a, b) => (b.underWay < a.underWay ? b : a))
  return {
    request: (message) => idlest().request(message),
    close: () => {
      for (const lane of lanes) lane.close()
    },
  }
}

async function openLane({ url, region, token }: PipelinedClientOptions): Promise<Lane> {
  const { hostname, port, host } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const head =
    `POST ${REQUEST_PATH} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: ${MESSAGE_CONTENT_TYPE}\r\n` +
    `${REGION_HEADER}: ${region}\r\nauthorization: Bearer ${token}\r\ncontent-length: `
  return new Lane(socket, head)
}

/** One connection. Answers come in the order of the requests. */
class Lane implements MessageClient {
  readonly #socket: Socket
  readonly #head: string
  readonly #reader = new AnswerReader()
  readonly #waiting: Waiting[] = []
  #isCorked = false

  constructor(socket: Socket, head: string) {
    this.#socket = socket
    this.#head = head
    socket.on('data', (bytes) => this.#receive(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new MeridianError('CLOSED', 'The node hung up.')))
  }

  get underWay(): number {
    return this.#waiting.length
  }

  request(message: Uint8Array): Promise<Uint8Array> {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      setImmediate(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(`${this.#head}${message.length}\r\n\r\n`, 'latin1')
    this.#socket.write(message)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(bytes: Buffer): void {
    try {
      for (const body of this.#reader.take(bytes)) this.#waiting.shift()?.resolve(body)
    } catch (error) {
      this.#fail(error as Error)
      this.#socket.destroy()
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
