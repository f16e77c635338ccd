import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { increment, isErrorCode, MeridianError, type ErrorCode } from '../../src/client/index.ts'
import { layProcesses, type NodeProcess, type Processes } from '../support/node-processes.ts'
import { until } from '../support/until.ts'
import { HOME, schema, TENANT, type LoaderDatabase } from './programs/loader-schema.ts'

const SCHEMA_MODULE = 'test/e2e/programs/loader-schema.ts'
const LEADER = 'eu-west'
const CALLER = 'ap-south'
const MODES = ['pinned', 'strong', 'eventual'] as const
type Mode = (typeof MODES)[number]

/** Acknowledged writes of each mode that must come after each blow. */
const FURTHER = 8
const CALL_DEADLINE_MS = 3_000
const REPEAT_PAUSE_MS = 50
const REPEATS_MS = 90_000
const TIMEOUT_MS = 240_000

/** Writes of all modes, without end: each is repeated under its key until it is acknowledged. */
class Load {
  readonly acknowledged: Record<Mode, string[]> = { pinned: [], strong: [], eventual: [] }
  readonly errors: MeridianError[] = []
  readonly #far: LoaderDatabase
  readonly #near: LoaderDatabase
  readonly #running: Promise<unknown>
  #isOver = false

  /** `far` calls from another region than the tenant's home, `near` from there. */
  constructor(far: LoaderDatabase, near: LoaderDatabase) {
    this.#far = far
    this.#near = near
    this.#running = Promise.all(MODES.map((mode) => this.#work(mode)))
  }

  /** Resolves once every mode has acknowledged `count` more writes. */
  async further(count: number): Promise<void> {
    const goals = MODES.map((mode) => this.acknowledged[mode].length + count)
    const goOn = until(() => {
      const isThere = MODES.every((mode, i) => this.acknowledged[mode].length >= (goals[i] ?? 0))
      if (!isThere) throw new Error(`acknowledged: ${inspect(this.acknowledged)}`)
    }, REPEATS_MS)
    // A writer that failed for good is why the rest would wait in vain.
    await Promise.race([goOn, this.#running])
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  async #work(mode: Mode): Promise<void> {
    for (let batch = 0; !this.#isOver; batch++) {
      await this.#repeat(() => this.#write(mode, batch))
      this.acknowledged[mode].push(`${mode}-${batch}`)
    }
  }

  async #repeat(call: () => Promise<unknown>): Promise<void> {
    const deadlineMs = performance.now() + REPEATS_MS
    for (;;) {
      try {
        await call()
        return
      } catch (error) {
        if (!(error instanceof MeridianError)) throw error
        this.errors.push(error)
        if (error.retry === 'never' || performance.now() > deadlineMs) throw error
      }
      await pause(REPEAT_PAUSE_MS)
    }
  }

  #write(mode: Mode, batch: number): Promise<unknown> {
    const options = { idempotencyKey: `${mode}-${batch}`, deadlineMs: CALL_DEADLINE_MS }
    if (mode === 'eventual') {
      const { visits } = this.#near.tenant(TENANT)
      return visits.update(0, { times: increment(1) }, options)
    }
    if (mode === 'pinned') {
      return this.#far.tenant(TENANT).transaction(
        'pinned',
        (tx) => {
          tx.orders.insert({ id: batch, batch, amount: 1 })
          tx.sums.update('all', { batches: increment(1) })
        },
        options,
      )
    }
    return this.#far.transaction(
      'strong',
      (tx) => {
        tx.plans.insert({ id: batch, batch })
        tx.totals.update('all', { batches: increment(1) })
      },
      options,
    )
  }
}

async function prepare(db: LoaderDatabase): Promise<void> {
  await db.tenants.create({ id: TENANT, home: HOME })
  await db.totals.insert({ id: 'all', batches: 0 })
  await db.tenant(TENANT).sums.insert({ id: 'all', batches: 0 })
  await db.tenant(TENANT).visits.insert({ id: 0, batch: 0, times: 0 })
}

async function expectAllOnce(load: Load, far: LoaderDatabase, near: LoaderDatabase): Promise<void> {
  const { pinned, strong, eventual } = load.acknowledged
  const there = far.tenant(TENANT)
  const now = { consistency: 'strong' } as const
  expect(await far.totals.get('all', now)).toEqual({ id: 'all', batches: strong.length })
  expect(await there.sums.get('all', now)).toEqual({ id: 'all', batches: pinned.length })
  const batches = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  const plans = await far.plans.list({ ...now, limit: 10_000 })
  expect(plans.rows.map((row) => row.batch)).toEqual(batches(strong.length))
  const orders = await there.orders.list({ ...now, limit: 10_000 })
  expect(orders.rows.map((row) => row.batch)).toEqual(batches(pinned.length))
  const visits = await near.tenant(TENANT).visits.get(0)
  expect(visits?.times).toBe(eventual.length)
  // In a region that had none of it when it began.
  await until(async () => {
    const replica = await there.visits.get(0, { consistency: 'stale' })
    expect(replica?.times).toBe(eventual.length)
    const [view] = await there.view('amounts').list({ consistency: 'stale' })
    expect(view).toEqual({ orders: pinned.length, amount: pinned.length })
  })
}

/** What a killed or unreachable node may make of calls that it was asked. */
const EXPECTED: readonly ErrorCode[] = [
  'REGION_UNREACHABLE',
  'DEADLINE_EXCEEDED',
  'LOG_UNAVAILABLE',
  'UNKNOWN_OUTCOME',
  'SESSION_NOT_MET',
  'OVERLOADED',
]

async function restart(
  processes: Pick<Processes, 'start'>,
  node: NodeProcess,
): Promise<NodeProcess> {
  node.kill('SIGKILL')
  await node.ended
  return processes.start(node.region)
}

test(
  'nodes that are killed under load lose nothing acknowledged and execute nothing twice',
  { timeout: TIMEOUT_MS },
  async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const nodes = await Promise.all([LEADER, HOME, CALLER].map((region) => processes.start(region)))
    const far = await processes.connect(CALLER)
    const near = await processes.connect(HOME)
    await prepare(near)
    const load = new Load(far, near)
    await load.further(FURTHER)
    for (const node of nodes.filter(({ region }) => region !== CALLER)) {
      const again = await restart(processes, node)
      nodes[nodes.indexOf(node)] = again
      await load.further(FURTHER)
    }
    await load.end()
    await expectAllOnce(load, far, near)
    const unexpected = load.errors.filter((error) => !isErrorCode(error, ...EXPECTED))
    expect(unexpected).toEqual([])

    for (const node of nodes) node.kill('SIGTERM')
    for (const node of nodes) expect((await node.ended).code).toBe(0)
    expect(processes.complaints()).toEqual([])
  },
)
