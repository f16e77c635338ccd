/**
 * The directory as a state machine: what a command does is a function of the commands before it,
 * so every region holds the same directory at the same index. Residency is not judged here: it is
 * configuration, which may differ between regions while it changes, and the log may not diverge.
 */
import { MeridianError, type ErrorCode } from '../core/errors.ts'
import type { Statement, StatementResult } from '../core/ports/store.ts'
import { toHex, type SqlValue } from '../core/values.ts'
import type { WireKey } from '../protocol/messages.ts'
import {
  decodeDirectoryCommand,
  encodeDirectoryCommand,
  type CreateTenant,
  type DirectoryCommand,
  type PutKeys,
} from './directory-commands.ts'
import { tenantKey } from './tenant-key.ts'

/** A tenant as the directory knows it. */
export interface TenantEntry {
  readonly home: string
  /** Rises when the home changes. */
  readonly epoch: number
  /** `active`, or a step of a move. */
  readonly state: string
  readonly tenantClass: string
}

/** Why a command had no effect. */
export interface DirectoryFailure {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
}

/** What a command answers. */
export type DirectoryOutcome =
  | { readonly ok: true; readonly value: TenantEntry | readonly WireKey[] }
  | { readonly ok: false; readonly failure: DirectoryFailure }

const GLOBAL_SCOPE_KEY = tenantKey('')

/** The state machine of the log group `system`. */
export class DirectoryMachine {
  /** Of whatever the log holds: its commands are those of version 1. */
  readonly version = 3

  leastVersion(): number {
    return 1
  }

  encode(command: DirectoryCommand): Uint8Array {
    return encodeDirectoryCommand(command)
  }

  decode(bytes: Uint8Array): DirectoryCommand {
    return decodeDirectoryCommand(bytes)
  }

  beginBatch(): DirectoryBatch {
    return new DirectoryBatch()
  }

  explain(failure: DirectoryFailure): MeridianError {
    return new MeridianError(failure.code, 'The directory refused the command.', {
      details: failure.details,
    })
  }
}

/** The evaluation of consecutive commands against one snapshot. */
export class DirectoryBatch {
  readonly #wanted = new Set<string>()
  readonly #storedTenants = new Map<string, TenantEntry>()
  readonly #storedKeys = new Map<string, WireKey[]>()
  #tenants = new Map<string, TenantEntry>()
  #keys = new Map<string, readonly WireKey[]>()
  #writes: Statement[] = []
  #rows: AddedRow[] = []
  /** Those of the last `takeWrites`. */
  #added: readonly AddedRow[] = []

  /** Tells which rows the command will need. */
  announce(command: DirectoryCommand): void {
    this.#wanted.add(command.tenantKey)
  }

  /** The statements that read what is wanted and not yet known. */
  takeReads(): Statement[] {
    if (this.#wanted.size === 0) return []
    const wanted = JSON.stringify([...this.#wanted])
    this.#wanted.clear()
    return [selectTenants(wanted), selectKeys(wanted)]
  }

  /** Takes the results of the last `takeReads`. */
  load(results: readonly StatementResult[]): void {
    for (const row of results[0]?.rows ?? []) {
      this.#storedTenants.set(row[0] as string, readTenant(row.slice(1)))
    }
    for (const row of results[1]?.rows ?? []) {
      const id = keysId(row[0] as string, row[2] as number)
      const keys = this.#storedKeys.get(id) ?? []
      keys.push(readKey(row.slice(1)))
      this.#storedKeys.set(id, keys)
    }
  }

  /** Forgets what commands did; keeps what was read. */
  reset(): void {
    this.#tenants = new Map(this.#storedTenants)
    this.#keys = new Map(this.#storedKeys)
    this.#writes = []
    this.#rows = []
  }

  /** Evaluates a command. */
  apply(command: DirectoryCommand): DirectoryOutcome {
    return command.kind === 'createTenant' ? this.#createTenant(command) : this.#putKeys(command)
  }

  /** The statements of the commands since the last call. */
  takeWrites(): Statement[] {
    const writes = this.#writes
    this.#writes = []
    this.#added = this.#rows
    this.#rows = []
    return writes
  }

  /** The rows that the last `takeWrites` adds: the tenant's key, and all other columns as the image. */
  effects(): readonly AddedRow[] {
    return this.#added
  }

  #createTenant(command: CreateTenant): DirectoryOutcome {
    if (this.#tenants.has(command.tenantKey)) {
      return refuse('TENANT_EXISTS')
    }
    const { home, tenantClass } = command
    const entry: TenantEntry = { home, epoch: 1, state: 'active', tenantClass }
    this.#tenants.set(command.tenantKey, entry)
    this.#add('_tenants', command.tenantKey, [home, entry.epoch, entry.state, tenantClass])
    this.#writes.push({
      sql: 'INSERT INTO _tenants (tenant_key, home, epoch, state, class) VALUES (?, ?, ?, ?, ?)',
      args: [command.tenantKey, home, entry.epoch, entry.state, tenantClass],
    })
    return { ok: true, value: entry }
  }

  /** Compare-and-set: answers with the keys that are there now, whoever stored them. */
  #putKeys(command: PutKeys): DirectoryOutcome {
    if (command.tenantKey !== GLOBAL_SCOPE_KEY && !this.#tenants.has(command.tenantKey)) {
      return refuse('TENANT_NOT_FOUND')
    }
    const id = keysId(command.tenantKey, command.generation)
    const present = this.#keys.get(id)
    if (present !== undefined) return { ok: true, value: present }
    this.#keys.set(id, command.keys)
    const rows = command.keys.map((k) => [k.lineage, k.region, toHex(k.wrapped)])
    for (const { region, lineage, wrapped } of command.keys) {
      this.#add('_keys', command.tenantKey, [command.generation, region, lineage, wrapped])
    }
    this.#writes.push({
      sql: `INSERT INTO _keys (tenant_key, lineage, generation, region, wrapped)
        SELECT ?, value->>0, ?, value->>1, unhex(value->>2) FROM json_each(?)`,
      args: [command.tenantKey, command.generation, JSON.stringify(rows)],
    })
    return { ok: true, value: command.keys }
  }

  #add(table: string, tenant: string, image: readonly SqlValue[]): void {
    this.#rows.push({ table, before: null, after: { tenant, version: '', image } })
  }
}

/** A row that a command added. */
interface AddedRow {
  readonly table: string
  readonly before: null
  readonly after: {
    readonly tenant: string
    readonly version: ''
    readonly image: readonly SqlValue[]
  }
}

/** Reads the directory rows of tenant keys, given as a JSON array. */
export function selectTenants(tenantKeys: string): Statement {
  return {
    sql: `SELECT tenant_key, home, epoch, state, class FROM _tenants
      WHERE tenant_key IN (SELECT value FROM json_each(?))`,
    args: [tenantKeys],
  }
}

/** Reads the wrapped keys of tenant keys, given as a JSON array. */
export function selectKeys(tenantKeys: string): Statement {
  return {
    sql: `SELECT tenant_key, lineage, generation, region, wrapped FROM _keys
      WHERE tenant_key IN (SELECT value FROM json_each(?)) ORDER BY generation, region`,
    args: [tenantKeys],
  }
}

/** `home, epoch, state, class` as an entry. */
export function readTenant(row: readonly unknown[]): TenantEntry {
  const [home, epoch, state, tenantClass] = row as [string, number, string, string]
  return { home, epoch, state, tenantClass }
}

/** `lineage, generation, region, wrapped` as a key. */
export function readKey(row: readonly unknown[]): WireKey {
  const [lineage, generation, region, wrapped] = row as [string, number, string, Uint8Array]
  return { lineage, generation, region, wrapped }
}

function keysId(key: string, generation: number): string {
  return `${key}/${generation}`
}

function refuse(code: ErrorCode): DirectoryOutcome {
  return { ok: false, failure: { code, details: {} } }
}
