/**
 * Tenants' data keys in one region: read from the directory, unwrapped with the region's key, and
 * kept for one lease. When the lease is over they are read and unwrapped again or not used: a
 * revoked or destroyed key works for at most one lease more.
 */
import { MeridianError } from '../core/errors.ts'
import { newShortId } from '../core/ids.ts'
import { SECRET_BYTES, type AeadSuite } from '../core/ports/aead-suite.ts'
import type { KeyWrapper } from '../core/ports/key-wrapper.ts'
import type { Clock, Random } from '../core/ports/runtime.ts'
import type { KeyId } from './envelope.ts'
import type { KeyDirectory, WrappedKey } from './key-directory.ts'
import { Keyring, notForRegion, type TenantKey } from './keyring.ts'

/** How long unwrapped keys may be used, from before the directory is asked. */
export const KEY_LEASE_MS = 60_000
/** Tenants whose keys are held at once; the least recently used goes first. */
const MAX_CACHED_TENANTS = 4096

/** What tenant keys are made of. */
export interface TenantKeysOptions {
  readonly region: string
  readonly directory: KeyDirectory
  readonly wrapper: KeyWrapper
  readonly suite: AeadSuite
  readonly clock: Clock
  readonly random: Random
  /** The regions that may decrypt a tenant's data: its first key is wrapped for each of them. */
  readonly decryptRegions: (tenant: string) => Promise<readonly string[]>
  /** Default `KEY_LEASE_MS`. */
  readonly leaseMs?: number
  /** Default `MAX_CACHED_TENANTS`. */
  readonly maxTenants?: number
}

interface CacheEntry {
  readonly sentAtMs: number
  readonly keyring: Promise<Keyring>
  /** Whether the directory is asked to create the first key. */
  readonly creates: boolean
}

/** The keys of many tenants, cached. One request a tenant is under way at a time. */
export class TenantKeys {
  readonly #options: TenantKeysOptions
  /** In the order of use. */
  readonly #entries = new Map<string, CacheEntry>()
  readonly #queued = new Map<string, Promise<CacheEntry>>()

  constructor(options: TenantKeysOptions) {
    this.#options = options
  }

  /**
   * The key that encrypts: the newest generation. Creates the tenant's first key.
   * @throws MeridianError `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async forEncryption(tenant: string): Promise<TenantKey> {
    return this.#openOrCreate(tenant, (keyring) => keyring.newest)
  }

  /**
   * The key of blind indexes: the oldest generation. Creates the tenant's first key.
   * @throws MeridianError `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async forBlindIndex(tenant: string): Promise<TenantKey> {
    return this.#openOrCreate(tenant, (keyring) => keyring.oldest)
  }

  /**
   * The key with this id; `undefined` when the directory, asked afresh, does not know it.
   * @throws MeridianError `KEY_UNAVAILABLE`, `KEY_DESTROYED`
   */
  async forDecryption(tenant: string, id: KeyId): Promise<TenantKey | undefined> {
    let entry = this.#current(tenant)
    if (!(await entry.keyring).has(id)) {
      entry = await this.#refreshed(tenant)
      if (!(await entry.keyring).has(id)) return undefined
    }
    return this.#open(entry, id)
  }

  async #openOrCreate(
    tenant: string,
    choose: (keyring: Keyring) => KeyId | undefined,
  ): Promise<TenantKey> {
    let entry = this.#current(tenant)
    let id = choose(await entry.keyring)
    if (id === undefined) {
      const latest = this.#entries.get(tenant)
      entry = latest?.creates === true ? latest : this.#startCreation(tenant)
      id = choose(await entry.keyring)
    }
    if (id === undefined) throw new MeridianError('INTERNAL', 'The directory created no key.')
    return this.#open(entry, id)
  }

  async #open(entry: CacheEntry, id: KeyId): Promise<TenantKey> {
    const key = await (await entry.keyring).open(id)
    // Directory and key service may have taken longer than the lease that began before them.
    if (this.#expired(entry)) {
      throw new MeridianError('KEY_UNAVAILABLE', 'The lease of the data key ended on the way.', {
        fix: 'Check that the directory and the key service answer.',
      })
    }
    return key
  }

  /** The cached keyring, or one that is being read. */
  #current(tenant: string): CacheEntry {
    const entry = this.#entries.get(tenant)
    if (entry === undefined || this.#expired(entry)) {
      return this.#startRead(tenant, false)
    }
    this.#entries.delete(tenant)
    this.#entries.set(tenant, entry)
    return entry
  }

  /**
   * A keyring whose read begins after this call. Callers share one that waits its turn, never one
   * that is under way: that one may have been sent before the key in question was created.
   */
  #refreshed(tenant: string): Promise<CacheEntry> {
    const queued = this.#queued.get(tenant)
    if (queued !== undefined) return queued
    const settled = Promise.allSettled([this.#entries.get(tenant)?.keyring])
    const refresh = settled.then(() => {
      this.#queued.delete(tenant)
      return this.#startRead(tenant, true)
    })
    this.#queued.set(tenant, refresh)
    return refresh
  }

  #startRead(tenant: string, fresh: boolean): CacheEntry {
    const sentAtMs = this.#options.clock.bootMs()
    const keys = this.#options.directory.get(tenant, fresh)
    return this.#keep(tenant, { sentAtMs, keyring: this.#keyring(tenant, keys), creates: false })
  }

  #startCreation(tenant: string): CacheEntry {
    const sentAtMs = this.#options.clock.bootMs()
    const keys = this.#create(tenant)
    return this.#keep(tenant, { sentAtMs, keyring: this.#keyring(tenant, keys), creates: true })
  }

  async #keyring(tenant: string, keys: Promise<readonly WrappedKey[]>): Promise<Keyring> {
    const { region, wrapper, suite } = this.#options
    return new Keyring({ tenant, region, wrapper, suite }, await keys)
  }

  #keep(tenant: string, entry: CacheEntry): CacheEntry {
    const { maxTenants = MAX_CACHED_TENANTS } = this.#options
    this.#entries.delete(tenant)
    this.#entries.set(tenant, entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maxTenants) break
      this.#entries.delete(oldest)
    }
    entry.keyring.catch(() => {
      if (this.#entries.get(tenant) === entry) this.#entries.delete(tenant)
    })
    return entry
  }

  #expired(entry: CacheEntry): boolean {
    const { clock, leaseMs = KEY_LEASE_MS } = this.#options
    // Boot time: a lease also runs out while the machine is suspended.
    return clock.bootMs() - entry.sentAtMs >= leaseMs
  }

  async #create(tenant: string): Promise<readonly WrappedKey[]> {
    const { region, directory, wrapper, random } = this.#options
    const regions = await this.#options.decryptRegions(tenant)
    if (!regions.includes(region)) throw notForRegion(region)
    const id = { lineage: newShortId(random), generation: 1 }
    const secret = random.bytes(SECRET_BYTES)
    try {
      const copies = await Promise.all(
        regions.map(async (to): Promise<WrappedKey> => {
          const wrapped = await wrapper.wrap(secret, { tenant, region: to, ...id })
          return { ...id, region: to, wrapped }
        }),
      )
      return await directory.create(tenant, copies)
    } finally {
      secret.fill(0)
    }
  }
}
