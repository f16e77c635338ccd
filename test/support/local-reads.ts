/** Regions of a table with local strong reads: one log, stores and a mesh in memory, one runtime. */
import type { TransactionResult, WriteOp } from '../../src/core/operations.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { seededRandom } from '../../src/core/seeded-random.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { integer, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { createSchema } from '../../src/schema/ddl.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { SYSTEM_TABLES } from '../../src/schema/system-tables.ts'
import { selectByKeys } from '../../src/sql/select.ts'
import type { LeaseFaults } from '../../replication/strong/leases/lease-faults.ts'
import type { LeaseMesh, LeaseMeshMember } from '../../replication/strong/leases/lease-mesh.ts'
import type { LeaseSettings } from '../../replication/strong/leases/lease-runtime.ts'
import type { Seeding } from '../../replication/strong/reseeder.ts'
import { keyScope } from '../../replication/strong/row-keys.ts'
import { createStrongEngine, type StrongEngine } from '../../replication/strong/strong-engine.ts'
import type { MemoryCommitLog } from './memory-commit-log.ts'
import { MemoryStore } from './memory-store.ts'
import { transaction } from './strong-region.ts'

/** Flags (global), read in every region and written seldom; notes by the log. */
export const schema = compileSchema(
  defineSchema({
    tables: {
      flags: table(
        { id: text().primaryKey(), value: integer() },
        { consistency: 'strong', scope: 'global', reads: 'local' },
      ),
      notes: table(
        { id: text().primaryKey(), value: integer() },
        { consistency: 'strong', scope: 'global' },
      ),
    },
  }),
).compiled

export const flags = schema.tableByName.get('flags') as CompiledTable

export const SETTINGS: LeaseSettings = { durationMs: 3000, driftRate: 0.001, usesHints: true }

/** Carries messages between regions after a delay; links can be cut. */
export class MemoryMesh {
  readonly #members = new Map<string, Set<LeaseMeshMember>>()
  readonly #runtime: Runtime
  readonly #delayMs: () => number
  /** Regions that nothing comes from or gets to. */
  readonly cut = new Set<string>()
  sent = 0

  constructor(runtime: Runtime, delayMs: () => number = () => 5) {
    this.#runtime = runtime
    this.#delayMs = delayMs
  }

  of(region: string): LeaseMesh {
    return {
      broadcast: (message) => {
        for (const to of this.#members.keys()) if (to !== region) this.#send(region, to, message)
      },
      join: (member) => {
        const members = this.#members.get(region) ?? new Set()
        this.#members.set(region, members.add(member))
        return () => members.delete(member)
      },
    }
  }

  #send(from: string, to: string, message: Uint8Array): void {
    this.sent += 1
    this.#runtime.timers.after(this.#delayMs(), () => {
      if (this.cut.has(from) || this.cut.has(to)) return
      for (const member of this.#members.get(to) ?? []) member.onMessage(from, message)
    })
  }
}

/** What a region is opened with. */
export interface LocalRegionOptions {
  readonly region: string
  readonly log: MemoryCommitLog
  readonly mesh: MemoryMesh
  readonly runtime: Runtime
  readonly store?: MemoryStore
  readonly databaseId?: string
  readonly settings?: Partial<LeaseSettings>
  readonly faults?: LeaseFaults
  readonly seeding?: Seeding
}

let opened = 0

/** A region, as a test uses it. */
export class LocalRegion {
  readonly engine: StrongEngine
  readonly store: MemoryStore
  readonly failures: unknown[] = []

  static async open(options: LocalRegionOptions): Promise<LocalRegion> {
    const { region, log, mesh, faults } = options
    // Regions draw different ids.
    const seeded = seededRandom(++opened)
    const random = {
      fraction: () => seeded.fraction(),
      bytes: (length: number) => Uint8Array.from({ length }, () => seeded.below(256)),
    }
    const runtime: Runtime = { ...options.runtime, random }
    const store = options.store ?? (await localStore())
    const [row] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
    const failures: unknown[] = []
    const engine = await createStrongEngine({
      schema,
      group: 'local',
      log,
      store,
      clock: new StoreClock(runtime.clock, String(row?.rows[0]?.[0])),
      runtime,
      admit: () => Promise.resolve(),
      onFailure: (error) => failures.push(error),
      ...(options.seeding === undefined ? {} : { seeding: options.seeding }),
      localReads: {
        region,
        databaseId: options.databaseId ?? `${region}-store`,
        settings: { ...SETTINGS, ...options.settings },
        mesh: mesh.of(region),
        snapshotPositions: () => [],
        ...(faults === undefined ? {} : { faults }),
      },
    })
    return new LocalRegion(engine, store, failures)
  }

  constructor(engine: StrongEngine, store: MemoryStore, failures: unknown[]) {
    this.engine = engine
    this.store = store
    this.failures = failures
  }

  write(id: string, value: number, timeoutMs?: number): Promise<TransactionResult> {
    const op: WriteOp = { kind: 'upsert', table: flags.id, rows: [[id, value]] }
    const request = transaction([op], { basis: this.engine.applied() })
    return this.engine.commit(request, timeoutMs === undefined ? {} : { timeoutMs })
  }

  insert(id: string, value: number): Promise<TransactionResult> {
    const op: WriteOp = { kind: 'insert', table: flags.id, rows: [[id, value]] }
    return this.engine.commit(transaction([op], { basis: this.engine.applied() }))
  }

  /** The value by the lease; undefined: the read has to go to the log. */
  async readLocally(id: string): Promise<{ value: unknown } | undefined> {
    const select = selectByKeys(flags, '', [[id]], 0)
    const results = await this.engine.leases?.readLocally([keyScope(flags, '', [id])], [select])
    return results === undefined ? undefined : { value: results[0]?.rows[0]?.[1] ?? null }
  }

  /** The value by a read index. */
  async readByLog(id: string): Promise<unknown> {
    await this.engine.waitApplied(await this.engine.readIndex())
    const [result] = await this.store.read([selectByKeys(flags, '', [[id]], 0)])
    await this.engine.leases?.settleRead([keyScope(flags, '', [id])])
    return result?.rows[0]?.[1] ?? null
  }

  /** What is emitted: keys and values, in order. */
  async emitted(): Promise<unknown[]> {
    const [result] = await this.store.read([
      { sql: 'SELECT after FROM _outbox ORDER BY seq', args: [] },
    ])
    return (result?.rows ?? []).map(([after]) => JSON.parse(String(after)) as unknown)
  }
}

/** A store with the schema laid. */
export async function localStore(): Promise<MemoryStore> {
  const store = new MemoryStore()
  const ddl = [...SYSTEM_TABLES, ...createSchema(schema)]
  await store.write(ddl.map((sql) => ({ sql, args: [] })))
  return store
}
