/** A request whose body comes when a test says, so that it is in progress for as long as it takes. */
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { MESSAGE_CONTENT_TYPE, REGION_HEADER, REQUEST_PATH } from '../../src/core/wire-http.ts'

/** A request whose head was sent. */
export interface SlowRequest {
  /** Sends the rest; resolves with all that the server answered until it hung up. */
  finish(): Promise<string>
}

/** Sends the head of a request and the first byte of its message. */
export async function beginRequest(
  url: string,
  region: string,
  message: Uint8Array,
): Promise<SlowRequest> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  onTestFinished(() => void socket.destroy())
  const answered = collect(socket)
  const head = [
    `POST ${REQUEST_PATH} HTTP/1.1`,
    `host: ${hostname}:${port}`,
    `content-type: ${MESSAGE_CONTENT_TYPE}`,
    `content-length: ${message.length}`,
    `${REGION_HEADER}: ${region}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  socket.write(message.subarray(0, 1))
  return {
    finish() {
      socket.write(message.subarray(1))
      return answered
    },
  }
}

function collect(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(text))
  })
}
