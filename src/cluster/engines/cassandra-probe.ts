/** Asks a node of Cassandra, by hand, what it supports: one that answers takes statements. */
import { connect } from 'node:net'
import { MeridianError } from '../../core/errors.ts'

const TIMEOUT_MS = 5_000
/** A frame of version 4 of the protocol, with an empty body: version, flags, stream, opcode, length. */
const OPTIONS = Buffer.from([0x04, 0, 0, 0, 0x05, 0, 0, 0, 0])
const SUPPORTED = 0x06
const OPCODE_AT = 4

/** Resolves once the node serves. @throws Error while it does not */
export function requireCassandra(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    let received = Buffer.alloc(0)
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('The node does not answer.')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('The node has closed the connection.')))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const opcode = received[OPCODE_AT]
      if (opcode === undefined) return
      if (opcode === SUPPORTED) resolve()
      else reject(new MeridianError('STORE_UNAVAILABLE', 'That is not a node of Cassandra.'))
      socket.destroy()
    })
    socket.write(OPTIONS)
  })
}
