/** Calls of every kind on a region without a pause, each of them counted, and what failed. */
import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { increment, type Database } from '../../src/client/index.ts'
import type { schema } from './node-schema.ts'

type Db = Database<typeof schema>

/** Longer than any handover on a busy machine takes. */
const DEADLINE_MS = 60_000
/** Between two calls of a kind: the load is there all the time, and leaves time for the nodes. */
const PACE_MS = 20
const BOUNDS = { deadlineMs: DEADLINE_MS }

/** Increments that were acknowledged, by what they went to. */
interface Acknowledged {
  pinned: number
  strong: number
  eventual: number
  /** A pinned table of a tenant whose home is elsewhere. */
  far: number
}

/** Runs against the tenants `acme` (at home in the region) and `far` (not). */
export class RegionLoad {
  readonly acknowledged: Acknowledged = { pinned: 0, strong: 0, eventual: 0, far: 0 }
  readonly #clients: readonly Db[]
  readonly #urls: readonly string[]
  readonly #isCut: boolean
  readonly #failures: string[] = []
  #loops: readonly Promise<void>[] = []
  #calls = 0
  #sqlReads = 0
  #isOver = false

  /**
   * `urls`: of the nodes, for SQL. `isCut`: nodes are killed, which cuts what a plain HTTP client has
   * under way: it asks again, as one may that only reads.
   */
  constructor(clients: readonly Db[], urls: readonly string[], isCut = false) {
    this.#isCut = isCut
    this.#clients = clients
    this.#urls = urls
  }

  calls(): number {
    return this.#calls
  }

  sqlReads(): number {
    return this.#sqlReads
  }

  failures(): readonly string[] {
    return this.#failures
  }

  async begin(): Promise<void> {
    // However the test ends: it must not run on against what is closed.
    onTestFinished(() => {
      this.#isOver = true
    })
    const [db] = this.#clients
    await db?.tenant('acme').orders.insert({ id: 'o', amount: 0 })
    await db?.tenant('acme').visits.insert({ id: 'v' })
    await db?.tenant('far').orders.insert({ id: 'o', amount: 0 })
    await db?.plans.insert({ id: 'p', seats: 0 })
    this.#loops = [
      ...this.#clients.flatMap((client) => this.#ofClient(client)),
      this.#repeat('SQL', () => this.#query()),
    ]
  }

  /** Resolves once every call has its answer. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  #ofClient(db: Db): readonly Promise<void>[] {
    const acme = db.tenant('acme')
    const writes = (name: keyof Acknowledged, write: () => Promise<unknown>): Promise<void> =>
      this.#repeat(name, async () => {
        await write()
        this.acknowledged[name] += 1
      })
    return [
      writes('pinned', () => acme.orders.update('o', { amount: increment(1) }, BOUNDS)),
      writes('far', () => db.tenant('far').orders.update('o', { amount: increment(1) }, BOUNDS)),
      writes('eventual', () => acme.visits.update('v', { times: increment(1) }, BOUNDS)),
      writes('strong', () => db.plans.update('p', { seats: increment(1) }, BOUNDS)),
      this.#repeat('read', async () => {
        await acme.orders.get('o', { ...BOUNDS, consistency: 'strong' })
        await acme.visits.list(BOUNDS)
        await db.plans.get('p', { ...BOUNDS, consistency: 'strong' })
      }),
    ]
  }

  async #repeat(name: string, call: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await call()
        this.#calls += 1
      } catch (error) {
        const { code = '', message } = error as { code?: string; message: string }
        this.#failures.push(`${name}: ${code} ${message}`)
      }
      await pause(PACE_MS)
    }
  }

  /**
   * One node after another, as a client of several does: where one listens not, the next. A kept
   * connection may be closed just as a request is sent; a read is asked again then (RFC 9112, 9.3.1).
   */
  async #query(): Promise<void> {
    let failure: unknown
    for (const url of this.#urls) {
      try {
        const answer = await fetch(`${url}/v1/sql/acme/v2/pipeline`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: QUERY,
        })
        const text = await answer.text()
        if (answer.status !== 200 || text.includes('"error"')) throw new Error(text)
        this.#sqlReads += 1
        return
      } catch (error) {
        failure = error
        if (!this.#isCut && !isUnanswered(error)) throw error
      }
    }
    if (!this.#isCut) throw failure
  }
}

const QUERY = JSON.stringify({
  requests: [{ type: 'execute', stmt: { sql: 'SELECT amount FROM orders' } }, { type: 'close' }],
})

/** Nothing listened, or the connection ended before there was any answer. */
function isUnanswered(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } }
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(cause?.code ?? '')
}
