/**
 * The id that a deployment wrote to etcd when it began. An etcd that lost its data, or another one
 * under the same address, does not have it: every append and read compares it in the same
 * transaction, so that nothing is ever written to, or believed of, another log.
 */
import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3'
import { type CallOptions, EtcdConnection } from './etcd-connection.ts'
import { foreignError } from './etcd-errors.ts'
import type { EtcdKeys } from './etcd-keys.ts'

const ID_BYTES = 16

/** A transaction on condition that this is the deployment's etcd. */
export interface GuardedTxn {
  readonly compare?: readonly ICompare[]
  readonly success: readonly IRequestOp[]
  /** When one of `compare` does not hold. */
  readonly failure?: readonly IRequestOp[]
}

export class DeploymentMark {
  readonly #connection: EtcdConnection
  readonly #keys: EtcdKeys
  #id: string | undefined
  #asking: Promise<string> | undefined

  /** `expected`: what is known from before; else what etcd has is taken, or written. */
  constructor(connection: EtcdConnection, keys: EtcdKeys, expected: string | undefined) {
    this.#connection = connection
    this.#keys = keys
    this.#id = expected
  }

  /**
   * The id of this deployment in etcd, written where there is none.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_MISCONFIGURED`, `LOG_FOREIGN`, `CLOSED`
   */
  id(): Promise<string> {
    if (this.#id !== undefined) return Promise.resolve(this.#id)
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Makes sure that etcd was asked. @throws MeridianError as `id`, and `LOG_FOREIGN` */
  async read(): Promise<void> {
    try {
      await this.txn({ success: [{ request_range: { key: this.#keys.deployment } }] })
    } catch (error) {
      throw this.#connection.typed(error)
    }
  }

  /**
   * One etcd transaction; its answers leave out what only looks at the mark.
   *
   * @throws EtcdCallError what every member would say
   * @throws MeridianError `LOG_FOREIGN`, and as `EtcdConnection.call`
   */
  async txn(txn: GuardedTxn, options: CallOptions = {}): Promise<ITxnResponse> {
    const id = this.#id ?? (await this.#connection.unless(options.signal, this.id()))
    const { deployment } = this.#keys
    const isOurs: ICompare = {
      key: deployment,
      target: 'Value',
      result: 'Equal',
      value: Buffer.from(id),
    }
    const request: ITxnRequest = {
      compare: [isOurs, ...(txn.compare ?? [])],
      success: [...txn.success],
      failure: [{ request_range: { key: deployment } }, ...(txn.failure ?? [])],
    }
    const response = await this.#connection.call<ITxnResponse>('KV', 'txn', request, options)
    if (response.succeeded) return response
    const [mark, ...responses] = response.responses
    const found = mark?.response_range.kvs[0]?.value.toString()
    if (found !== id) {
      throw foreignError('deployment id', id, found, this.#connection.addresses)
    }
    return { ...response, responses }
  }

  async #ask(): Promise<string> {
    const { deployment, registration } = this.#keys
    const fresh = Buffer.from(this.#connection.runtime.random.bytes(ID_BYTES)).toString('hex')
    const register: IRequestOp = { request_put: { key: registration, value: Buffer.alloc(0) } }
    const request: ITxnRequest = {
      compare: [{ key: deployment, target: 'Version', result: 'Equal', version: 0 }],
      success: [{ request_put: { key: deployment, value: Buffer.from(fresh) } }, register],
      failure: [{ request_range: { key: deployment } }, register],
    }
    const response = await this.#connection.ask<ITxnResponse>('KV', 'txn', request)
    const found = response.responses[0]?.response_range?.kvs[0]?.value.toString()
    this.#id = response.succeeded ? fresh : found
    return this.#id as string
  }
}
