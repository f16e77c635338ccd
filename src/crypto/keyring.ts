/** The data keys of one tenant, as one read of the directory gave them. */
import { MeridianError } from '../core/errors.ts'
import type { AeadSuite, CellCipher, DerivationKey, Mac } from '../core/ports/aead-suite.ts'
import type { KeyWrapper } from '../core/ports/key-wrapper.ts'
import type { KeyId } from './envelope.ts'
import type { WrappedKey } from './key-directory.ts'
import { blindKeyInfo, cellKeyInfo } from './subkeys.ts'

/** One generation of a tenant's data key, ready for use. */
export interface TenantKey {
  readonly id: KeyId
  readonly cells: CellCipher
  /** The key of one column's blind index. */
  blindMac(tableId: number, columnId: number): Promise<Mac>
}

/** What a keyring unwraps with. */
export interface KeyringContext {
  readonly tenant: string
  readonly region: string
  readonly wrapper: KeyWrapper
  readonly suite: AeadSuite
}

/** A tenant's keys in one region. Generations are unwrapped at their first use, once. */
export class Keyring {
  readonly #context: KeyringContext
  readonly #copies: readonly WrappedKey[]
  readonly #opened = new Map<string, Promise<TenantKey>>()

  constructor(context: KeyringContext, copies: readonly WrappedKey[]) {
    this.#context = context
    this.#copies = copies.toSorted((a, b) => a.generation - b.generation)
  }

  /** The generation that encrypts; `undefined` when the tenant has no key. */
  get newest(): KeyId | undefined {
    return this.#copies.at(-1)
  }

  /** The generation that blind indexes use: adding one changes no index. */
  get oldest(): KeyId | undefined {
    return this.#copies[0]
  }

  /** Whether the directory names this generation, for whatever region. */
  has(id: KeyId): boolean {
    return this.#copies.some((copy) => isCopyOf(copy, id))
  }

  /**
   * Unwraps a generation with the region's own copy, and with no other.
   * @throws MeridianError `KEY_UNAVAILABLE` when the region has no copy
   */
  open(id: KeyId): Promise<TenantKey> {
    const name = `${id.lineage}.${id.generation}`
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const opening = this.#unwrap(id)
    this.#opened.set(name, opening)
    opening.catch(() => this.#opened.delete(name))
    return opening
  }

  async #unwrap(id: KeyId): Promise<TenantKey> {
    const { tenant, region, wrapper, suite } = this.#context
    const copy = this.#copies.find((c) => c.region === region && isCopyOf(c, id))
    if (copy === undefined) throw notForRegion(region)
    const { lineage, generation } = copy
    const secret = await wrapper.unwrap(copy.wrapped, { tenant, region, lineage, generation })
    let base: DerivationKey
    try {
      base = await suite.importKey(secret)
    } finally {
      secret.fill(0)
    }
    return openTenantKey(tenant, { lineage, generation }, base)
  }
}

async function openTenantKey(tenant: string, id: KeyId, base: DerivationKey): Promise<TenantKey> {
  const macs = new Map<string, Promise<Mac>>()
  return {
    id,
    cells: await base.deriveCellCipher(cellKeyInfo(tenant)),
    blindMac(tableId, columnId) {
      const name = `${tableId}.${columnId}`
      const known = macs.get(name)
      if (known !== undefined) return known
      const mac = base.deriveMac(blindKeyInfo(tenant, tableId, columnId))
      macs.set(name, mac)
      return mac
    },
  }
}

function isCopyOf(copy: WrappedKey, id: KeyId): boolean {
  return copy.lineage === id.lineage && copy.generation === id.generation
}

/** The region is not among those that may decrypt. */
export function notForRegion(region: string): MeridianError {
  return new MeridianError(
    'KEY_UNAVAILABLE',
    `The tenant's data key is not wrapped for region ${region}: it may not decrypt there.`,
    {
      fix: 'Read from a region that the tenant’s residency class allows.',
      retry: 'never',
      details: { region },
    },
  )
}
