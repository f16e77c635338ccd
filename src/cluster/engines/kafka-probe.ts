/** Asks a broker for its brokers, by hand: one that names itself takes writes and reads. */
import { connect } from 'node:net'
import { MeridianError } from '../../core/errors.ts'

const TIMEOUT_MS = 5_000
const METADATA = 3
const VERSION = 1
const CORRELATION = 7

/** Resolves once the broker serves. @throws Error while it does not */
export function requireBroker(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    let received = Buffer.alloc(0)
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('The broker does not answer.')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('The broker has closed the connection.')))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const brokers = readBrokers(received)
      if (brokers === undefined) return
      if (brokers > 0) resolve()
      else reject(new MeridianError('LOG_UNAVAILABLE', 'The broker has not joined its cluster.'))
      socket.destroy()
    })
    socket.write(metadataRequest())
  })
}

/** A request for metadata of no topic: header (key, version, correlation, client), empty array. */
function metadataRequest(): Buffer {
  const client = Buffer.from('meridian')
  const body = Buffer.alloc(2 + 2 + 4 + 2 + client.length + 4)
  body.writeInt16BE(METADATA, 0)
  body.writeInt16BE(VERSION, 2)
  body.writeInt32BE(CORRELATION, 4)
  body.writeInt16BE(client.length, 8)
  client.copy(body, 10)
  body.writeInt32BE(0, 10 + client.length)
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length, 0)
  return Buffer.concat([size, body])
}

/** How many brokers the answer names, once it is complete: size, correlation, then the array. */
function readBrokers(received: Buffer): number | undefined {
  if (received.length < 12 || received.length < 4 + received.readInt32BE(0)) return undefined
  return received.readInt32BE(8)
}
