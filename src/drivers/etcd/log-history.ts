/**
 * Reads of one log key at revisions of the past: which revision had an entry. The key is only ever
 * overwritten, so its version grows with the revision, and what was true at a revision stays true:
 * any member that has the revision may answer.
 */
import type { IKeyValue, IRangeResponse } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import { isCompacted, isFutureRevision } from './etcd-errors.ts'

/** Where a key is in its history. */
export interface KeyState {
  /** 0 where there is none. */
  readonly version: number
  readonly modRevision: number
  readonly createRevision: number
}

/** An entry as it is kept, with a revision at which it can be read. */
export interface FoundEntry {
  readonly readableAt: number
  readonly modRevision: number
  readonly value: Buffer
}

export function stateOf(kv: IKeyValue | undefined): KeyState {
  return {
    version: Number(kv?.version ?? 0),
    modRevision: Number(kv?.mod_revision ?? 0),
    createRevision: Number(kv?.create_revision ?? 0),
  }
}

/**
 * Some revision at which the entry `index` is the current value; `undefined` when etcd has compacted
 * all of them. `now`: the key at a recent revision, at `index` or beyond; `nowRevision`: that one.
 */
export async function findRevision(
  connection: EtcdConnection,
  key: Buffer,
  index: number,
  now: KeyState,
  nowRevision: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (index === now.version) return nowRevision
  // Each version has a revision of its own: these bounds hold whatever else was written meanwhile.
  let low = now.createRevision + index - 1
  let high = now.modRevision - (now.version - index)
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const state = await stateAt(connection, key, middle, signal)
    if (state?.version === index) return middle
    if (state === undefined || state.version < index) low = middle + 1
    else high = Math.min(middle - 1, state.modRevision - (state.version - index))
  }
  return undefined
}

/**
 * The entry `index`, or that it is compacted; `moved` where compaction came between two reads: the
 * key is to be looked at afresh. Arguments as above.
 */
export async function findEntry(
  connection: EtcdConnection,
  key: Buffer,
  index: number,
  now: KeyState,
  nowRevision: number,
  signal?: AbortSignal,
): Promise<FoundEntry | 'compacted' | 'moved'> {
  const revision = await findRevision(connection, key, index, now, nowRevision, signal)
  if (revision === undefined) return 'compacted'
  const found = await entryAt(connection, key, revision, signal)
  return found === 'compacted' ? 'moved' : found
}

/** The entry that is the current value at a revision; `modRevision` 0 where there is none. */
export async function entryAt(
  connection: EtcdConnection,
  key: Buffer,
  revision: number,
  signal?: AbortSignal,
): Promise<FoundEntry | 'compacted'> {
  const kv = await readAt(connection, { key, revision }, signal)
  if (kv === 'compacted') return kv
  return {
    readableAt: revision,
    modRevision: Number(kv?.mod_revision ?? 0),
    value: kv?.value ?? Buffer.alloc(0),
  }
}

/** The index that is current at the lowest revision from `low` on that is not compacted. */
export async function firstKeptIndex(
  connection: EtcdConnection,
  key: Buffer,
  low: number,
  nowRevision: number,
): Promise<number> {
  let high = nowRevision
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((await stateAt(connection, key, middle)) === undefined) low = middle + 1
    else high = middle
  }
  return (await stateAt(connection, key, low))?.version ?? 0
}

/** The key at a revision, without its value; `undefined` where that was compacted. */
export async function stateAt(
  connection: EtcdConnection,
  key: Buffer,
  revision: number,
  signal?: AbortSignal,
): Promise<KeyState | undefined> {
  const kv = await readAt(connection, { key, revision, keys_only: true }, signal)
  return kv === 'compacted' ? undefined : stateOf(kv)
}

async function readAt(
  connection: EtcdConnection,
  range: { readonly key: Buffer; readonly revision: number; readonly keys_only?: boolean },
  signal: AbortSignal | undefined,
): Promise<IKeyValue | undefined | 'compacted'> {
  const read = async (serializable: boolean): Promise<IKeyValue | undefined> => {
    const request = { ...range, serializable }
    const { kvs } = await connection.call<IRangeResponse>('KV', 'range', request, { signal })
    return kvs[0]
  }
  try {
    return await read(true)
  } catch (error) {
    if (isCompacted(error)) return 'compacted'
    if (!isFutureRevision(error)) throw error
  }
  // A member that is behind: one that asks the leader first is not.
  try {
    return await read(false)
  } catch (error) {
    if (isCompacted(error)) return 'compacted'
    throw error
  }
}
