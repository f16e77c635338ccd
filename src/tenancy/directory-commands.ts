/** Commands of the directory's log group `system`, and their bytes. */
import { decodeValue, encodeValue } from '../protocol/codec.ts'
import type { WireKey } from '../protocol/messages.ts'
import { toHex } from '../core/values.ts'
import { sha256Hex } from '../core/sha256.ts'

/** What every command of a log says of itself. */
interface CommandHeader {
  readonly txId: string
  /** 32 hexadecimal digits: a second command with the same has no effect of its own. */
  readonly dedupeId: string
  readonly contentHash: string
  /** The log index that its sender knew. */
  readonly basis: number
}

/** Enters a tenant into the directory. */
export interface CreateTenant extends CommandHeader {
  readonly kind: 'createTenant'
  readonly tenantKey: string
  readonly home: string
  readonly tenantClass: string
}

/** Stores a generation of a tenant's wrapped data keys unless that generation is there. */
export interface PutKeys extends CommandHeader {
  readonly kind: 'putKeys'
  readonly tenantKey: string
  readonly generation: number
  readonly keys: readonly WireKey[]
}

/** What the directory can be told. */
export type DirectoryCommand = CreateTenant | PutKeys

/** Makes the command; the same `txId` with the same content is the same command. */
export function createTenantCommand(
  tenant: { readonly tenantKey: string; readonly home: string; readonly tenantClass: string },
  txId: string,
  basis: number,
): CreateTenant {
  const { tenantKey, home, tenantClass } = tenant
  const contentHash = digest(['createTenant', tenantKey, home, tenantClass])
  const dedupeId = digest(['tenant', tenantKey, txId])
  return { kind: 'createTenant', txId, dedupeId, contentHash, basis, tenantKey, home, tenantClass }
}

/** Makes the command; its identity is its content, because the first one wins anyway. */
export function putKeysCommand(
  tenantKey: string,
  generation: number,
  keys: readonly WireKey[],
  basis: number,
): PutKeys {
  const content = keys.map((k) => [k.lineage, k.generation, k.region, toHex(k.wrapped)])
  const contentHash = digest(['putKeys', tenantKey, generation, content])
  const header = { txId: contentHash, dedupeId: contentHash, contentHash, basis }
  return { kind: 'putKeys', ...header, tenantKey, generation, keys }
}

/** The command's bytes in the log. */
export function encodeDirectoryCommand(command: DirectoryCommand): Uint8Array {
  return encodeValue(command)
}

/** Reads a command. @throws MeridianError `PROTOCOL_MALFORMED` */
export function decodeDirectoryCommand(bytes: Uint8Array): DirectoryCommand {
  return decodeValue(bytes) as DirectoryCommand
}

function digest(parts: readonly unknown[]): string {
  return sha256Hex(JSON.stringify(parts)).slice(0, 32)
}
