/** An address that leads now to one engine, now to another: what listens at a port is not for ever. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A running switchboard; it ends with the test. */
export interface Switchboard {
  /** `host:port`. */
  readonly address: string
  /** Connections of before are cut, later ones lead there. */
  lead(to: string): void
}

/** Opens one that leads to `to`, a `host:port`. */
export async function openSwitchboard(to: string): Promise<Switchboard> {
  const sockets = new Set<Socket>()
  let target = to
  const server = createServer((client) => {
    const colon = target.lastIndexOf(':')
    const engine = connect(Number(target.slice(colon + 1)), target.slice(0, colon))
    const end = (): void => {
      for (const socket of [client, engine]) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const socket of [client, engine]) {
      sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    client.pipe(engine).pipe(client)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    server.close()
    cut()
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (next) => {
      target = next
      cut()
    },
  }
}
