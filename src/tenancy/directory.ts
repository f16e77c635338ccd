/**
 * The directory as a region uses it: reads of the region's own copy through a bounded cache, and
 * commands through the log group `system`.
 */
import { MeridianError } from '../core/errors.ts'
import { MAX_TENANT_ID_LENGTH } from '../core/limits.ts'
import type { Store } from '../core/ports/store.ts'
import { textProblem } from '../core/values.ts'
import type { WireKey } from '../protocol/messages.ts'
import { createTenantCommand, putKeysCommand, type DirectoryCommand } from './directory-commands.ts'
import {
  readKey,
  readTenant,
  selectKeys,
  selectTenants,
  type TenantEntry,
} from './directory-machine.ts'
import { Lru } from '../core/lru.ts'
import type { Residency } from './residency.ts'
import { tenantKey } from './tenant-key.ts'

/** A log group, as the directory needs it. */
export interface CommandLog {
  /** Appends the command; resolves with its outcome once it is applied in this region. */
  propose(
    command: DirectoryCommand,
    options?: { readonly timeoutMs?: number },
  ): Promise<{ readonly value: unknown }>
  /** The index up to which this region has applied the log. */
  applied(): number
  /** Resolves once this region has applied all that was in the log when it was called. */
  catchUp(options?: { readonly timeoutMs?: number }): Promise<void>
  /** Runs after commands were applied here. Returns its removal. */
  onApplied(listener: (commands: readonly DirectoryCommand[]) => void): () => void
  /** Runs after this region's copy was replaced as a whole. Returns its removal. */
  onReset(listener: () => void): () => void
}

/** What a directory needs. */
export interface DirectoryOptions {
  readonly store: Store
  readonly log: CommandLog
  readonly residency: Residency
  /** Tenants kept in memory. */
  readonly maxCachedTenants?: number
}

const MAX_CACHED_TENANTS = 10_000

/** Tenants and their wrapped data keys. */
export class Directory {
  readonly #store: Store
  readonly #log: CommandLog
  readonly #residency: Residency
  readonly #cache: Lru<TenantEntry>
  readonly #stopListening: () => void
  /** Counts applied batches: a read that one overtook may not fill the cache. */
  #changes = 0

  constructor(options: DirectoryOptions) {
    this.#store = options.store
    this.#log = options.log
    this.#residency = options.residency
    this.#cache = new Lru(options.maxCachedTenants ?? MAX_CACHED_TENANTS)
    const ends = [
      options.log.onApplied((commands) => {
        this.#changes += 1
        for (const command of commands) this.#cache.delete(command.tenantKey)
      }),
      options.log.onReset(() => {
        this.#changes += 1
        this.#cache.clear()
      }),
    ]
    this.#stopListening = () => {
      for (const end of ends) end()
    }
  }

  /** The tenant as this region knows it; it may have been created or moved elsewhere since. */
  async lookup(tenantId: string): Promise<TenantEntry | undefined> {
    const key = tenantKey(tenantId)
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    const changes = this.#changes
    const [result] = await this.#store.read([selectTenants(JSON.stringify([key]))])
    const row = result?.rows[0]
    if (row === undefined) return undefined
    const entry = readTenant(row.slice(1))
    if (changes === this.#changes) this.#cache.set(key, entry)
    return entry
  }

  /**
   * The tenant as of now: first catches up with the log, at the cost of one of its round trips.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`
   */
  async lookupFresh(tenantId: string, timeoutMs?: number): Promise<TenantEntry | undefined> {
    await this.#log.catchUp(timeoutMs === undefined ? {} : { timeoutMs })
    return this.lookup(tenantId)
  }

  /**
   * Creates a tenant. Repeating it with the same `txId` gives the same answer.
   *
   * @throws MeridianError `TENANT_EXISTS`, `RESIDENCY_DENIED` (unknown class, or a home outside
   * it), `REGION_UNKNOWN`, `INVALID_ARGUMENT` (id), `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`
   */
  async create(
    tenant: { readonly id: string; readonly home: string; readonly tenantClass: string },
    txId: string,
    timeoutMs?: number,
  ): Promise<TenantEntry> {
    requireTenantId(tenant.id)
    this.#residency.requireHome(tenant.tenantClass, tenant.home)
    const { home, tenantClass } = tenant
    const entry = { tenantKey: tenantKey(tenant.id), home, tenantClass }
    const command = createTenantCommand(entry, txId, this.#log.applied())
    return (await this.#propose(command, tenant.id, timeoutMs)) as TenantEntry
  }

  /** All wrapped data keys of a tenant ('' for the global scope), as this region knows them. */
  async keys(tenantId: string): Promise<readonly WireKey[]> {
    const [result] = await this.#store.read([selectKeys(JSON.stringify([tenantKey(tenantId)]))])
    return (result?.rows ?? []).map((row) => readKey(row.slice(1)))
  }

  /**
   * Stores one generation of a tenant's wrapped keys. The first one wins: the answer is what is
   * stored, whoever stored it.
   *
   * @throws MeridianError `TENANT_NOT_FOUND`, `RESIDENCY_DENIED` (a key for a region that the
   * tenant's class does not allow), `INVALID_ARGUMENT`, `LOG_UNAVAILABLE`, `DEADLINE_EXCEEDED`
   */
  async putKeys(
    tenantId: string,
    keys: readonly WireKey[],
    timeoutMs?: number,
  ): Promise<readonly WireKey[]> {
    const generation = oneGeneration(keys)
    await this.#requireKeyRegions(tenantId, keys, timeoutMs)
    const command = putKeysCommand(tenantKey(tenantId), generation, keys, this.#log.applied())
    return (await this.#propose(command, tenantId, timeoutMs)) as readonly WireKey[]
  }

  /**
   * Whether strong tables may hold the tenant: they are in every region (protocol rule 22).
   *
   * @throws MeridianError `TENANT_NOT_FOUND`, `RESIDENCY_DENIED`
   */
  async requireEverywhere(tenantId: string): Promise<void> {
    const entry = (await this.lookup(tenantId)) ?? (await this.lookupFresh(tenantId))
    if (entry === undefined) throw tenantNotFound(tenantId)
    if (this.#residency.allowsEverywhere(entry.tenantClass)) return
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Tenant ${JSON.stringify(tenantId)} of class '${entry.tenantClass}' may not be in every region, where strong tables are.`,
      {
        fix: 'Keep its data in pinned or eventual tables.',
        details: { tenant: tenantId, tenantClass: entry.tenantClass },
      },
    )
  }

  /** Stops listening to the log. */
  close(): void {
    this.#stopListening()
  }

  async #propose(
    command: DirectoryCommand,
    tenantId: string,
    timeoutMs: number | undefined,
  ): Promise<unknown> {
    try {
      const options = timeoutMs === undefined ? {} : { timeoutMs }
      return (await this.#log.propose(command, options)).value
    } catch (error) {
      throw error instanceof MeridianError ? named(error, tenantId) : error
    }
  }

  async #requireKeyRegions(
    tenantId: string,
    keys: readonly WireKey[],
    timeoutMs: number | undefined,
  ): Promise<void> {
    if (tenantId === '') return
    const entry = (await this.lookup(tenantId)) ?? (await this.lookupFresh(tenantId, timeoutMs))
    if (entry === undefined) throw tenantNotFound(tenantId)
    const denied = keys.find((k) => !this.#residency.allows(entry.tenantClass, k.region))
    if (denied === undefined) return
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Region ${denied.region} may not decrypt tenants of class '${entry.tenantClass}'.`,
      {
        fix: `Wrap keys for: ${this.#residency.allowedRegions(entry.tenantClass).join(', ')}.`,
        details: { tenant: tenantId, region: denied.region },
      },
    )
  }
}

/** The log knows tenants by hash; whoever asked gets the name back. */
function named(error: MeridianError, tenantId: string): MeridianError {
  if (error.code !== 'TENANT_EXISTS' && error.code !== 'TENANT_NOT_FOUND') return error
  if (error.code === 'TENANT_NOT_FOUND') return tenantNotFound(tenantId)
  return new MeridianError('TENANT_EXISTS', `There is a tenant ${JSON.stringify(tenantId)}.`, {
    fix: 'Use it, or choose another id.',
    details: { tenant: tenantId },
  })
}

function tenantNotFound(tenantId: string): MeridianError {
  return new MeridianError('TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(tenantId)}.`, {
    fix: 'Create it with `db.tenants.create({ id, home })`.',
    details: { tenant: tenantId },
  })
}

function requireTenantId(id: string): void {
  const problem =
    id === ''
      ? 'is empty'
      : id.length > MAX_TENANT_ID_LENGTH
        ? `is longer than ${MAX_TENANT_ID_LENGTH} characters`
        : textProblem(id)
  if (problem === undefined) return
  throw new MeridianError('INVALID_ARGUMENT', `The tenant id ${problem}.`, {
    fix: `Use 1 to ${MAX_TENANT_ID_LENGTH} characters of well-formed text.`,
  })
}

function oneGeneration(keys: readonly WireKey[]): number {
  const generation = keys[0]?.generation
  const regions = new Set(keys.map((k) => k.region))
  if (
    generation !== undefined &&
    keys.every((k) => k.generation === generation && k.lineage === keys[0]?.lineage) &&
    regions.size === keys.length
  ) {
    return generation
  }
  throw new MeridianError(
    'INVALID_ARGUMENT',
    'Keys must be of one lineage and generation, one for each region.',
  )
}
