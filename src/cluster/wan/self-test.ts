/**
 * What the proxies of an emulated network add by themselves: round trips, less the delays they stand
 * for. They are made in a thread of their own, so that what the caller is busy with does not count.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { startThread } from './start-thread.ts'

/** Milliseconds; of a thousand round trips. */
export interface RoundTrips {
  readonly p50: number
  readonly p99: number
}

/** What a self-test says. Each is a round trip through one link, less twice its delay. */
export interface WanSelfTest {
  /** One way, of the link with a delay. */
  readonly delayMs: number
  /** Round trips measured on each link. */
  readonly n: number
  readonly addedMs: RoundTrips
  /** The same on a link without delay. */
  readonly addedWithoutDelayMs: RoundTrips
  /** The same without a proxy: what sockets alone cost. */
  readonly directMs: RoundTrips
  /** Whether the network's thread goes before others: it takes root on Linux. */
  readonly isPreferred?: boolean | undefined
}

/** Opens a link with a delay one way, to a `host:port`. */
export type OpenTestLink = (delayMs: number, target: string) => Promise<string>

/** What the thread is told once its server listens. */
export interface TestLinks {
  readonly direct: string
  readonly near: string
  readonly far: string
}

/** From the thread: where its server listens, then what it has found. */
export type SelfTestReply = { readonly server: string } | { readonly found: WanSelfTest }

const DELAY_MS = 10
const ROUND_TRIPS = 1000
/** What waits for its delay does not wait for others: there the round trips go side by side. */
const CONNECTIONS = 10
/** The first of each connection also waits for the connection, and for code that runs for the first time. */
const WARM_UP = 20
const MESSAGE = Buffer.alloc(100, 'x')

/** Measures. Takes about three seconds. */
export async function testSelf(openLink: OpenTestLink): Promise<WanSelfTest> {
  const thread = startThread('self-test-thread', {})
  try {
    const [{ server: direct }] = (await once(thread, 'message')) as [{ server: string }]
    const near = await openLink(0, direct)
    const far = await openLink(DELAY_MS, direct)
    thread.postMessage({ direct, near, far } satisfies TestLinks)
    const [{ found }] = (await once(thread, 'message')) as [{ found: WanSelfTest }]
    return found
  } finally {
    await thread.terminate()
  }
}

/** A server that sends everything back. */
export async function startEcho(): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** `host:port` of a server. */
export function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The thread's work. */
export async function measureLinks(links: TestLinks): Promise<Omit<WanSelfTest, 'isPreferred'>> {
  const direct = await roundTripsOver(links.direct, 1)
  const near = await roundTripsOver(links.near, 1)
  const far = await roundTripsOver(links.far, CONNECTIONS)
  return {
    delayMs: DELAY_MS,
    n: far.length,
    addedMs: quantilesOf(far.map((ms) => ms - 2 * DELAY_MS)),
    addedWithoutDelayMs: quantilesOf(near),
    directMs: quantilesOf(direct),
  }
}

async function roundTripsOver(address: string, connections: number): Promise<readonly number[]> {
  const all = await Promise.all(
    Array.from({ length: connections }, () => roundTripsOfOne(address, ROUND_TRIPS / connections)),
  )
  return all.flat().sort((a, b) => a - b)
}

async function roundTripsOfOne(address: string, count: number): Promise<readonly number[]> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect({ host, port: Number(port), noDelay: true })
  const taken: number[] = []
  try {
    await once(socket, 'connect')
    for (let i = 0; i < WARM_UP + count; i++) {
      const tookMs = await roundTrip(socket)
      if (i >= WARM_UP) taken.push(tookMs)
    }
  } finally {
    socket.destroy()
  }
  return taken
}

function roundTrip(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    let received = 0
    const settle = (done: () => void): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
      done()
    }
    const onData = (chunk: Buffer): void => {
      received += chunk.length
      if (received >= MESSAGE.length) settle(() => resolve(performance.now() - startMs))
    }
    const onClose = (): void => settle(() => reject(new Error('The connection was closed.')))
    socket.on('data', onData)
    socket.once('close', onClose)
    socket.write(MESSAGE)
  })
}

/** Of enough values for both: ten lie above the 99th percentile of a thousand. */
function quantilesOf(ascending: readonly number[]): RoundTrips {
  const at = (q: number): number => ascending[Math.ceil(q * ascending.length - 1e-9) - 1] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}
