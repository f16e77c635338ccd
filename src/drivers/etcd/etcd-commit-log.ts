/**
 * Driver: the commit log in etcd. A group is one key, which every record overwrites: its version is
 * the dense index, the watch is the tail, compaction the trim. Invariants: docs/spec/etcd-log.md.
 */
import { setMaxListeners } from 'node:events'
import type { IRequestOp, ITxnResponse } from 'etcd3'
import { MeridianError } from '../../core/errors.ts'
import type { CommitLog, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import type { DeploymentMark } from './deployment-mark.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { closedError, isLeaseGone } from './etcd-errors.ts'
import type { EtcdFaults } from './etcd-faults.ts'
import { encodeEntry, type EtcdKeys } from './etcd-keys.ts'
import { EtcdTail } from './etcd-tail.ts'
import type { IdLease } from './id-lease.ts'
import { firstKeptIndex, stateAt } from './log-history.ts'
import { LogTrim } from './log-trim.ts'

/** What the handles of one process share. */
export interface EtcdLogOptions {
  readonly connection: EtcdConnection
  readonly mark: DeploymentMark
  readonly keys: EtcdKeys
  readonly idLease: IdLease
  readonly faults: EtcdFaults
}

/** One region's handle; closing it leaves the connection open. */
export class EtcdCommitLog implements CommitLog {
  readonly #options: EtcdLogOptions
  readonly #trim: LogTrim
  readonly #tails = new Set<EtcdTail>()
  readonly #closing = new AbortController()
  #readsUnderWay = 0

  constructor(options: EtcdLogOptions) {
    const { connection, mark, keys } = options
    // One of each call that is under way.
    setMaxListeners(0, this.#closing.signal)
    this.#options = options
    this.#trim = new LogTrim(connection, mark, keys)
  }

  async append(group: string, id: string, payload: Uint8Array): Promise<number> {
    const { connection, idLease } = this.#options
    const value = encodeEntry(id, payload)
    try {
      this.#checkOpen()
      const lease = await idLease.get()
      try {
        return await this.#append(group, id, value, lease)
      } catch (error) {
        if (!isLeaseGone(error)) throw error
        idLease.drop(lease)
        return await this.#append(group, id, value, await idLease.get())
      }
    } catch (error) {
      throw connection.typed(error, 'write')
    }
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    this.#checkOpen()
    const tail: EtcdTail = new EtcdTail({
      ...this.#options,
      group,
      fromIndex,
      handlers,
      onEnd: () => this.#tails.delete(tail),
    })
    this.#tails.add(tail)
    return tail
  }

  /**
   * A member confirms one round of linearizable reads at a time: what arrives meanwhile waits for the
   * round to end and then for its own, up to twice the distance. So only a read that is alone goes
   * that way; others go through consensus as a write does, side by side, with a deletion that
   * deletes nothing. It takes an entry of etcd's own log, and no revision.
   */
  async readIndex(group: string): Promise<number> {
    const { connection, mark, keys } = this.#options
    const end: IRequestOp = { request_range: { key: keys.log(group), keys_only: true } }
    const barrier: IRequestOp = { request_delete_range: { key: keys.barrier } }
    const success = this.#readsUnderWay === 0 ? [end] : [barrier, end]
    this.#readsUnderWay += 1
    try {
      this.#checkOpen()
      const response = await mark.txn({ success }, this.#callOptions('read'))
      return versionIn(response, success.length - 1)
    } catch (error) {
      throw connection.typed(error)
    } finally {
      this.#readsUnderWay -= 1
    }
  }

  async trim(group: string, beforeIndex: number): Promise<void> {
    try {
      this.#checkOpen()
      await this.#trim.trim(group, beforeIndex)
    } catch (error) {
      throw this.#options.connection.typed(error)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(closedError())
    await Promise.all(Array.from(this.#tails, (tail) => tail.fail(closedError())))
  }

  async #append(group: string, id: string, value: Buffer, lease: string): Promise<number> {
    const { mark, keys, faults } = this.#options
    const [log, idKey] = [keys.log(group), keys.id(group, id)]
    const success: IRequestOp[] = [
      { request_put: { key: log, value } },
      { request_put: { key: idKey, value: Buffer.alloc(0), lease } },
      { request_range: { key: log, keys_only: true } },
    ]
    const isNew = { key: idKey, target: 'Version', result: 'Equal', version: 0 } as const
    const response = await mark.txn(
      {
        compare: faults.appendWithoutIdCheck === true ? [] : [isNew],
        success,
        failure: [{ request_range: { key: idKey, keys_only: true } }],
      },
      this.#callOptions('write'),
    )
    if (response.succeeded) return versionIn(response, 2)
    const revision = Number(response.responses[0]?.response_range.kvs[0]?.mod_revision)
    return this.#indexAt(log, revision, Number(response.header.revision))
  }

  /** The index that an append of before got: the log as it was when its id was written. */
  async #indexAt(log: Buffer, revision: number, nowRevision: number): Promise<number> {
    const { connection } = this.#options
    const entry = await stateAt(connection, log, revision, this.#closing.signal)
    if (entry !== undefined) return entry.version
    // Somebody compacted by hand past what may still be asked for: the entry is not above this.
    return firstKeptIndex(connection, log, revision, nowRevision)
  }

  #callOptions(purpose: 'read' | 'write'): { purpose: 'read' | 'write'; signal: AbortSignal } {
    return { purpose, signal: this.#closing.signal }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted || this.#options.connection.closed.aborted) {
      throw closedError()
    }
  }
}

function versionIn(response: ITxnResponse, at: number): number {
  const range = response.responses[at]?.response_range
  if (range === undefined) throw new MeridianError('INTERNAL', 'etcd left out an answer.')
  return Number(range.kvs[0]?.version ?? 0)
}
