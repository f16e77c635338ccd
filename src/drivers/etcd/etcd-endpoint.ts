/**
 * One member of etcd: single calls and streams, without any second attempt. Uses the client
 * library for its descriptions of etcd's services and its channels only: its own order of members,
 * repetitions and watches choose by chance, hide what failed, and lose their place.
 */
import { Etcd3, type IAuthenticateResponse, type IOptions, type IResponseHeader } from 'etcd3'
import type { Runtime } from '../../core/ports/runtime.ts'
import { EtcdCallError, kindOf, STATUS } from './etcd-errors.ts'

/** TLS towards etcd, as PEM texts. */
export interface EtcdTls {
  /** Authorities; the system's when there is none. */
  readonly ca?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** Who asks, and how. */
export interface EtcdCredentials {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly tls?: EtcdTls | undefined
}

/** A member and how it is reached. */
export interface EtcdEndpointOptions extends EtcdCredentials {
  /** `host:port`. */
  readonly address: string
  readonly runtime: Runtime
}

export type EtcdService = 'KV' | 'Lease' | 'Watch' | 'Maintenance' | 'Auth'

/** Every answer of etcd says which cluster it is from. */
export interface EtcdResponse {
  readonly header: IResponseHeader
}

/** A call of one question and one answer. */
export interface EtcdCall {
  /** Where etcd has a stream for it: only the first answer counts. */
  readonly isStream?: boolean
  readonly service: EtcdService
  readonly method: string
  readonly request: object
  readonly timeoutMs: number
  /** Any of them ends it. */
  readonly signals?: readonly AbortSignal[]
}

/** What a stream tells; `onEnd` once, and nothing after it. */
export interface StreamHandlers<Response> {
  readonly onData: (response: Response) => void
  readonly onEnd: (error: EtcdCallError) => void
}

/** A running stream. */
export interface EtcdStream {
  write(request: object): void
  /** Ends it; no callback runs any more. */
  cancel(): void
}

interface UnaryCall {
  cancel(): void
}

interface DuplexStream {
  write(request: object): void
  cancel(): void
  on(event: string, handler: (value: never) => void): DuplexStream
}

interface Metadata {
  set(key: string, value: string): void
}

interface ServiceFailure {
  readonly code?: number
  readonly details?: string
  readonly message?: string
}

type UnaryMethod = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceFailure | null, response: unknown) => void,
) => UnaryCall
type StreamMethod = (metadata: Metadata, options: object) => DuplexStream

const AUTHENTICATE_TIMEOUT_MS = 3000
/**
 * Stock members end connections whose pings come more often than every 5 s, or without a call
 * (`--grpc-keepalive-min-time`).
 */
const KEEPALIVE_MS = 6000
const KEEPALIVE_TIMEOUT_MS = 3000
const MAX_SEND_BYTES = 64 * 1024 * 1024
const MAX_RECEIVE_BYTES = 128 * 1024 * 1024
/** The default, 64 KiB, is a third of a MiB a second over 200 ms. */
const FLOW_CONTROL_BYTES = 4 * 1024 * 1024

const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.max_send_message_length': MAX_SEND_BYTES,
  'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.dns_min_time_between_resolutions_ms': 2000,
  'grpc.enable_retries': 0,
  // A connection a service: what a tail catches up with does not hold up appends and leases.
  'grpc.use_local_subchannel_pool': 1,
  'grpc-node.flow_control_window': FLOW_CONTROL_BYTES,
}

type FaultHandling = NonNullable<IOptions['faultHandling']>

/** No repetition and no circuit breaker: `EtcdConnection` decides. */
const ONCE = {
  execute: (work: (context: object) => unknown) => work({}),
} as unknown as NonNullable<FaultHandling['global']>

/** Gives access to the channels. */
class Client extends Etcd3 {
  get connections(): Etcd3['pool'] {
    return this.pool
  }
}

export class EtcdEndpoint {
  readonly address: string
  readonly #options: EtcdEndpointOptions
  readonly #client: Client
  readonly #streams = new Set<(error: unknown) => void>()
  #token: Promise<string> | undefined

  constructor(options: EtcdEndpointOptions) {
    const { address, tls } = options
    this.address = address
    this.#options = options
    this.#client = new Client({
      hosts: [tls === undefined ? address : `https://${address}`],
      ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
      grpcOptions: CHANNEL_OPTIONS,
      faultHandling: { global: ONCE, host: () => ONCE },
    })
  }

  /** @throws EtcdCallError */
  async call<Response>(call: EtcdCall): Promise<Response> {
    const token = await this.#authenticated()
    try {
      return await this.#call<Response>(call, token)
    } catch (error) {
      if (error instanceof EtcdCallError && kindOf(error) === 'token') this.forgetToken()
      throw error
    }
  }

  /** Opens a stream; what goes wrong from the start comes to `onEnd`, too. */
  open<Response>(
    service: EtcdService,
    method: string,
    handlers: StreamHandlers<Response>,
  ): EtcdStream {
    let stream: DuplexStream | undefined
    let isOver = false
    const waiting: object[] = []
    const end = (error: unknown): void => {
      if (isOver) return
      isOver = true
      this.#streams.delete(end)
      stream?.cancel()
      handlers.onEnd(this.#failure(error))
    }
    this.#streams.add(end)
    const begin = async (): Promise<void> => {
      const token = await this.#authenticated()
      await this.#withService(service, token, (client, metadata) => {
        if (isOver) return
        stream = (client[method] as StreamMethod).call(client, metadata, {})
        stream.on('error', end)
        stream.on('end', () => end({ code: STATUS.unavailable, details: 'The stream ended.' }))
        stream.on('data', (response: Response) => {
          if (!isOver) handlers.onData(response)
        })
        for (const request of waiting) stream.write(request)
      })
    }
    begin().catch(end)
    return {
      write: (request) => {
        if (isOver) return
        if (stream === undefined) waiting.push(request)
        else stream.write(request)
      },
      cancel: () => {
        isOver = true
        this.#streams.delete(end)
        stream?.cancel()
      },
    }
  }

  /** The next call authenticates again. */
  forgetToken(): void {
    this.#token = undefined
  }

  close(): void {
    const error = { code: STATUS.cancelled, details: 'The connection is closed.' }
    for (const end of this.#streams) end(error)
    this.#client.close()
  }

  #authenticated(): Promise<string> | undefined {
    const { user, password } = this.#options
    if (user === undefined || password === undefined) return undefined
    if (this.#token !== undefined) return this.#token
    const token = this.#call<IAuthenticateResponse>(
      {
        service: 'Auth',
        method: 'authenticate',
        request: { name: user, password },
        timeoutMs: AUTHENTICATE_TIMEOUT_MS,
      },
      undefined,
    ).then((response) => response.token)
    this.#token = token
    token.catch(() => {
      if (this.#token === token) this.#token = undefined
    })
    return token
  }

  async #call<Response>(call: EtcdCall, token: string | undefined): Promise<Response> {
    const { service, method, request, timeoutMs, signals = [] } = call
    const deadline = this.#options.runtime.clock.nowMs() + timeoutMs
    let cancel = (): void => undefined
    const onAbort = (): void => cancel()
    try {
      return await this.#withService(
        service,
        token,
        (client, metadata) =>
          new Promise<Response>((resolve, reject) => {
            const start = call.isStream === true ? exchange : ask
            const answer = (error: unknown, response: unknown): void => {
              if (error === null) resolve(response as Response)
              else reject(this.#failure(error))
            }
            cancel = start(client, method, request, metadata, { deadline }, answer)
            for (const signal of signals) signal.addEventListener('abort', onAbort)
            if (signals.some((signal) => signal.aborted)) cancel()
          }),
      )
    } catch (error) {
      throw this.#failure(error)
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', onAbort)
    }
  }

  /** Failures go past the library, which would drop the channel and rewrite them. */
  async #withService<T>(
    service: EtcdService,
    token: string | undefined,
    use: (client: Record<string, unknown>, metadata: Metadata) => T | Promise<T>,
  ): Promise<T> {
    const outcome = await this.#client.connections.withConnection(
      service,
      async ({ client, metadata }) => {
        // A member without a leader says so at once instead of letting us wait.
        metadata.set('hasleader', 'true')
        if (token !== undefined) metadata.set('token', token)
        try {
          const value = await use(client as unknown as Record<string, unknown>, metadata)
          return { ok: true, value } as const
        } catch (error) {
          return { ok: false, error } as const
        }
      },
    )
    if (outcome.ok) return outcome.value
    throw outcome.error
  }

  #failure(error: unknown): EtcdCallError {
    if (error instanceof EtcdCallError) return error
    const { code, details, message } = error as ServiceFailure
    return new EtcdCallError(
      code ?? STATUS.unavailable,
      details ?? message ?? 'Unknown failure.',
      this.address,
    )
  }
}

/** Starts a call; returns its end. */
type Start = (
  client: Record<string, unknown>,
  method: string,
  request: object,
  metadata: Metadata,
  options: object,
  answer: (error: unknown, response: unknown) => void,
) => () => void

const ask: Start = (client, method, request, metadata, options, answer) => {
  const call = (client[method] as UnaryMethod).call(client, request, metadata, options, answer)
  return () => call.cancel()
}

const exchange: Start = (client, method, request, metadata, options, answer) => {
  const stream = (client[method] as StreamMethod).call(client, metadata, options)
  stream.on('error', (error) => answer(error, undefined))
  stream.on('end', () =>
    answer({ code: STATUS.unavailable, details: 'No answer came.' }, undefined),
  )
  stream.on('data', (response) => {
    answer(null, response)
    stream.cancel()
  })
  stream.write(request)
  return () => stream.cancel()
}

function credentialsOf({ ca, certificate, key }: EtcdTls): NonNullable<IOptions['credentials']> {
  const pem = {
    ...(ca === undefined ? {} : { rootCertificate: Buffer.from(ca) }),
    ...(key === undefined ? {} : { privateKey: Buffer.from(key) }),
    ...(certificate === undefined ? {} : { certChain: Buffer.from(certificate) }),
  }
  // The library's type asks for an authority; without one gRPC takes the system's.
  return pem as NonNullable<IOptions['credentials']>
}
