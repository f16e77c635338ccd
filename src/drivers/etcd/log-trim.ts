/**
 * Trimming: a mark a group says from which entry on it is still needed, and etcd is compacted up to
 * the lowest revision that any group of any deployment in this cluster needs. Compaction is of the
 * whole cluster: what one group still needs holds back all of them.
 */
import type { IKeyValue, IRangeResponse, ITxnResponse } from 'etcd3'
import type { DeploymentMark } from './deployment-mark.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { isCompacted, isFutureRevision } from './etcd-errors.ts'
import {
  DEPLOYMENTS,
  idLeasePrefix,
  logPrefix,
  nameAfter,
  prefixRange,
  trimPrefix,
  type EtcdKeys,
} from './etcd-keys.ts'
import { findRevision, stateOf } from './log-history.ts'

/** Entries below `index` are not needed; that one is readable at `revision`. */
export interface TrimMark {
  readonly index: number
  readonly revision: number
}

/** Trims a group and compacts; one at a time for a handle is enough. */
export class LogTrim {
  readonly #connection: EtcdConnection
  readonly #mark: DeploymentMark
  readonly #keys: EtcdKeys

  constructor(connection: EtcdConnection, mark: DeploymentMark, keys: EtcdKeys) {
    this.#connection = connection
    this.#mark = mark
    this.#keys = keys
  }

  /** @throws EtcdCallError, MeridianError as `EtcdConnection.call` */
  async trim(group: string, beforeIndex: number): Promise<void> {
    await this.#raise(group, beforeIndex)
    await this.#compact()
  }

  async #raise(group: string, beforeIndex: number): Promise<void> {
    const [log, trim] = [this.#keys.log(group), this.#keys.trim(group)]
    for (;;) {
      const seen = await this.#mark.txn({
        success: [
          { request_range: { key: log, keys_only: true } },
          { request_range: { key: trim } },
        ],
      })
      const state = stateOf(seen.responses[0]?.response_range.kvs[0])
      const old = seen.responses[1]?.response_range.kvs[0]
      // The last entry stays: it carries the group's index.
      const index = Math.min(beforeIndex, state.version)
      if (index <= (readMark(old)?.index ?? 0)) return
      const now = Number(seen.header.revision)
      const revision = await findRevision(this.#connection, log, index, state, now)
      // Compacted below it already, by hand: there is nothing that this mark could hold back.
      const mark = `${index}:${revision ?? now}`
      const put = await this.#mark.txn({
        compare: [
          { key: trim, target: 'Mod', result: 'Equal', mod_revision: old?.mod_revision ?? 0 },
        ],
        success: [{ request_put: { key: trim, value: Buffer.from(mark) } }],
      })
      if (put.succeeded) return
    }
  }

  async #compact(): Promise<void> {
    const revision = await this.#lowestNeeded()
    try {
      await this.#connection.call('KV', 'compact', { revision })
    } catch (error) {
      // Somebody else went further, or a member has not come that far: the next trim will.
      if (!isCompacted(error) && !isFutureRevision(error)) throw error
    }
  }

  /** The lowest revision that anything in this cluster may still ask for, as of one revision. */
  async #lowestNeeded(): Promise<number> {
    const listed = await this.#connection.call<IRangeResponse>('KV', 'range', {
      ...prefixRange(DEPLOYMENTS),
      keys_only: true,
    })
    const names = listed.kvs.map((kv) => nameAfter(DEPLOYMENTS, kv.key))
    // A deployment that is added after this has nothing below this revision.
    let lowest = Number(listed.header.revision)
    for (const name of names) lowest = Math.min(lowest, await this.#neededBy(name, lowest))
    return lowest
  }

  async #neededBy(name: string, revision: number): Promise<number> {
    const ranges = [
      { ...prefixRange(logPrefix(name)), keys_only: true },
      prefixRange(trimPrefix(name)),
      { ...prefixRange(idLeasePrefix(name)), keys_only: true },
    ]
    const { responses } = await this.#connection.call<ITxnResponse>('KV', 'txn', {
      success: ranges.map((range) => ({ request_range: { ...range, revision } })),
    })
    const [logs = [], trims = [], leases = []] = responses.map(
      (response) => response.response_range.kvs,
    )
    const marks = new Map(trims.map((kv) => [nameAfter(trimPrefix(name), kv.key), readMark(kv)]))
    const byGroup = logs.map((kv) => {
      const state = stateOf(kv)
      const mark = marks.get(nameAfter(logPrefix(name), kv.key))
      if (mark === undefined) return state.createRevision
      // Nothing but its current value, which compaction keeps.
      return mark.index >= state.version ? revision : mark.revision
    })
    return Math.min(revision, ...byGroup, ...leases.map((kv) => Number(kv.mod_revision)))
  }
}

/** `undefined` where there is none, or none that can be read. */
export function readMark(kv: IKeyValue | undefined): TrimMark | undefined {
  const [index, revision] = (kv?.value.toString() ?? '').split(':').map(Number)
  if (index === undefined || revision === undefined) return undefined
  return Number.isSafeInteger(index) && Number.isSafeInteger(revision)
    ? { index, revision }
    : undefined
}
