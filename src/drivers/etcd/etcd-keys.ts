/**
 * Where a deployment keeps what in etcd, and the form of a log key's value. All keys of a deployment
 * begin with its name; the list of deployments is under a prefix that no name can be.
 */
import { MeridianError } from '../../core/errors.ts'

/** Every deployment that uses this cluster: compaction spares them all. */
export const DEPLOYMENTS = '.meridian/deployments/'

/** Keys of one deployment. Groups, roles and regions are escaped, so that none reaches into another. */
export interface EtcdKeys {
  /** Random id of the deployment, written once. */
  readonly deployment: Buffer
  readonly registration: Buffer
  log(group: string): Buffer
  id(group: string, id: string): Buffer
  /** Never written: deleting it sends a read through consensus and changes nothing. */
  readonly barrier: Buffer
  trim(group: string): Buffer
  /** Lives as long as the lease of ids that were appended under it. */
  idLease(lease: string): Buffer
  /** How far each region has come in a group. */
  readonly applied: ReportKeys
  /** Which version of a group's state machine each region supports. */
  readonly machine: ReportKeys
  role(role: string, lease: string): Buffer
  rolePrefix(role: string): string
}

/** Keys of what each region says of a group. */
export interface ReportKeys {
  key(group: string, region: string): Buffer
  prefix(group: string): string
}

export function etcdKeys(name: string): EtcdKeys {
  const rolePrefix = (role: string): string => `${name}/role/${escape(role)}/`
  return {
    deployment: Buffer.from(`${name}/deployment`),
    registration: Buffer.from(`${DEPLOYMENTS}${name}`),
    log: (group) => Buffer.from(`${logPrefix(name)}${escape(group)}`),
    id: (group, id) => Buffer.from(`${name}/id/${escape(group)}/${id}`),
    barrier: Buffer.from(`${name}/barrier`),
    trim: (group) => Buffer.from(`${trimPrefix(name)}${escape(group)}`),
    idLease: (lease) => Buffer.from(`${idLeasePrefix(name)}${lease}`),
    applied: reportKeys(`${name}/applied/`),
    machine: reportKeys(`${name}/machine/`),
    role: (role, lease) => Buffer.from(`${rolePrefix(role)}${lease}`),
    rolePrefix,
  }
}

function reportKeys(root: string): ReportKeys {
  const prefix = (group: string): string => `${root}${escape(group)}/`
  return {
    key: (group, region) => Buffer.from(`${prefix(group)}${escape(region)}`),
    prefix,
  }
}

export const logPrefix = (name: string): string => `${name}/log/`
export const trimPrefix = (name: string): string => `${name}/trim/`
export const idLeasePrefix = (name: string): string => `${name}/id-lease/`

/** A range request for all keys with a prefix. */
export function prefixRange(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  const end = Buffer.from(prefix)
  const last = end.length - 1
  // Prefixes end in `/`: no carry.
  end[last] = (end[last] as number) + 1
  return { key: Buffer.from(prefix), range_end: end }
}

/** What follows the prefix, unescaped. */
export function nameAfter(prefix: string, key: Buffer): string {
  return decodeURIComponent(key.toString().slice(prefix.length))
}

function escape(name: string): string {
  return encodeURIComponent(name)
}

const FORMAT = 1
const HEAD_BYTES = 3
const MAX_ID_BYTES = 0xffff

/** The value of a log key: format, length of the id, id, payload. */
export function encodeEntry(id: string, payload: Uint8Array): Buffer {
  const idBytes = Buffer.from(id)
  if (idBytes.length > MAX_ID_BYTES) {
    throw new MeridianError('INVALID_ARGUMENT', 'The id of a log entry has more than 65,535 bytes.')
  }
  const value = Buffer.allocUnsafe(HEAD_BYTES + idBytes.length + payload.length)
  value.writeUInt8(FORMAT, 0)
  value.writeUInt16BE(idBytes.length, 1)
  idBytes.copy(value, HEAD_BYTES)
  value.set(payload, HEAD_BYTES + idBytes.length)
  return value
}

/** @throws MeridianError `PROTOCOL_VERSION`, `PROTOCOL_MALFORMED` */
export function decodeEntry(value: Buffer): { readonly id: string; readonly payload: Uint8Array } {
  if (value.length < HEAD_BYTES) throw malformed()
  if (value.readUInt8(0) !== FORMAT) {
    throw new MeridianError(
      'PROTOCOL_VERSION',
      `An entry of the commit log in etcd has format ${value.readUInt8(0)}; this node knows ${FORMAT}.`,
      { fix: 'Start this node with the version of the others.' },
    )
  }
  const end = HEAD_BYTES + value.readUInt16BE(1)
  if (value.length < end) throw malformed()
  return {
    id: value.toString('utf8', HEAD_BYTES, end),
    payload: new Uint8Array(value.buffer, value.byteOffset + end, value.length - end),
  }
}

function malformed(): MeridianError {
  return new MeridianError(
    'PROTOCOL_MALFORMED',
    'A key of the commit log in etcd holds no entry.',
    { fix: 'Something else writes to the keys of this deployment: find it, and stop it.' },
  )
}
