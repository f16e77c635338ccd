/**
 * `meridian/testing`: a whole deployment for a test, on files that end with it. Three regions start
 * in well under a second; the wall clock moves at will, links between regions can be cut.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../client/connect.ts'
import type { Database, Tenants } from '../client/types.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import { openEmbedded, type EmbeddedDeployment, type EmbeddedOptions } from '../node/embedded.ts'
import type { SettleOptions } from '../node/settle.ts'
import type { Schema } from '../schema/define.ts'
import type { InsertRow, TableNames } from '../schema/row-types.ts'
import { MovableClock } from './movable-clock.ts'

export { MovableClock } from './movable-clock.ts'

/** Options of `testMeridian`. */
export interface TestOptions<S extends Schema> extends Pick<
  EmbeddedOptions,
  'config' | 'regions' | 'keyWrapper'
> {
  readonly schema: S
  /** Multiplies the delays between regions; none when left out. */
  readonly delayScale?: number
}

/** Rows of several tables. */
type SeedRows<S extends Schema, W extends 'tenant' | 'global'> = {
  readonly [N in TableNames<S, S['tables'][string]['consistency'], W>]?: readonly InsertRow<
    S['tables'][N]
  >[]
}

/** What a test begins with. */
export interface Seed<S extends Schema> {
  /** Rows of global tables. */
  readonly global?: SeedRows<S, 'global'>
  /** Tenants, created where they are missing, and their rows. */
  readonly tenants?: Readonly<
    Record<
      string,
      {
        readonly home: string
        readonly tenantClass?: string
        readonly rows?: SeedRows<S, 'tenant'>
      }
    >
  >
}

/** A deployment under test. */
export interface TestMeridian<S extends Schema> {
  readonly deployment: EmbeddedDeployment
  /** Where its files are, a folder a region; removed at the end. */
  readonly directory: string
  readonly clock: MovableClock
  /** A new client; the first region when none is named. */
  connect(region?: string): Promise<Database<S>>
  /** Writes rows and waits until they have arrived everywhere. */
  seed(seed: Seed<S>): Promise<void>
  /** Resolves once every change has arrived wherever it may go. */
  settle(options?: SettleOptions): Promise<void>
  /** Cuts the link between two regions. */
  partition(a: string, b: string): void
  /** Mends a link, or all of them. */
  heal(a?: string, b?: string): void
  /** Deletes expired rows now instead of at the next interval. */
  sweep(): Promise<void>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a deployment for a test. Close it, or write `await using`. */
export async function testMeridian<const S extends Schema>(
  options: TestOptions<S>,
): Promise<TestMeridian<S>> {
  const directory = await mkdtemp(join(tmpdir(), 'meridian-test-'))
  const clock = new MovableClock(systemRuntime.clock)
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const deployment = await openEmbedded({
    delayScale: 0,
    onNotice: () => undefined,
    ...options,
    directory,
    runtime: { ...systemRuntime, clock },
    // Threads take longer to start than a test's writes take.
    writer: 'inline',
  }).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  const clients: Database<S>[] = []
  const open = async (region = deployment.config.regions[0] as string): Promise<Database<S>> => {
    const client = await connect({ schema: options.schema, region, deployment })
    clients.push(client)
    return client
  }
  const close = async (): Promise<void> => {
    for (const client of clients) await client.close()
    await deployment.close()
    await remove()
  }
  return {
    deployment,
    directory,
    clock,
    connect: open,
    async seed(seed) {
      await writeSeed(await open(), seed)
      await deployment.settle()
    },
    settle: (settleOptions) => deployment.settle(settleOptions),
    partition: (a, b) => deployment.network.partition(a, b),
    heal: (a, b) => {
      if (a === undefined || b === undefined) deployment.network.healAll()
      else deployment.network.heal(a, b)
    },
    async sweep() {
      await Promise.all(deployment.config.regions.map((region) => deployment.node(region).sweep()))
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface Insertable {
  insertMany(rows: readonly unknown[]): Promise<void>
}

interface SeedTarget {
  readonly tenants: Tenants
  tenant(id: string): object
}

async function writeSeed(db: SeedTarget, seed: Seed<Schema>): Promise<void> {
  await writeRows(db, seed.global ?? {})
  for (const [id, tenant] of Object.entries(seed.tenants ?? {})) {
    if ((await db.tenants.get(id)) === undefined) await db.tenants.create({ id, ...tenant })
    await writeRows(db.tenant(id), tenant.rows ?? {})
  }
}

async function writeRows(handle: object, rows: object): Promise<void> {
  const tables = handle as Readonly<Record<string, Insertable>>
  for (const [table, list] of Object.entries(rows) as [string, readonly unknown[]][]) {
    if (list.length > 0) await tables[table]?.insertMany(list)
  }
}
