/** A way to a server that can stall, or cut off an answer, as networks do. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A running gate; it ends with the test. */
export interface TcpGate {
  readonly port: number
  /** What comes from the server is dropped with the connection, from the next answer on. */
  cutAnswers(): void
  /** Nothing passes either way; what arrives waits. */
  stall(): void
  /** Everything passes again. */
  open(): void
}

/** Opens a way to a port of this machine. */
export async function openGate(targetPort: number): Promise<TcpGate> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let state: 'open' | 'stalled' | 'cutting' = 'open'
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1')
    const pair = [client, target] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.on('data', (bytes) => target.write(bytes))
    target.on('data', (bytes) => {
      if (state === 'cutting') end()
      else client.write(bytes)
    })
    if (state === 'stalled') for (const socket of pair) socket.pause()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.close()
    for (const pair of pairs) for (const socket of pair) socket.destroy()
  })
  const change = (next: typeof state): void => {
    state = next
    for (const socket of [...pairs].flat()) {
      if (next === 'stalled') socket.pause()
      else socket.resume()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    cutAnswers: () => change('cutting'),
    stall: () => change('stalled'),
    open: () => change('open'),
  }
}
