/** Ports that nobody listens on, for programs that must know each other's before they start. */
import { createServer } from 'node:net'

/** Below the range from which systems take the ports of outgoing connections. */
const FIRST_PORT = 12_000
const LAST_PORT = 32_000

/** Two that ask at once must not get the same. */
const given = new Set<number>()

/** `count` different ports of the loopback interface that were free just now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = []
  while (found.length < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) found.push(port)
    else given.delete(port)
  }
  return found
}

/** Whether nobody listens there. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  })
}
