/** A transport whose answers a test gives, and a connection over it. */
import type { Transport } from '../../src/core/ports/transport.ts'
import { Connection } from '../../src/client/connection.ts'
import { toWireError, type MeridianError } from '../../src/core/errors.ts'
import { decodeRequest, encodeResponse } from '../../src/protocol/codec.ts'
import type {
  FailedReceipt,
  Request,
  Response,
  SessionState,
  WireReceipt,
} from '../../src/protocol/messages.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'

/** What a fake node does with a request: answers, fails, or never answers. */
export type Reply = Response | Error | 'silence'

/** A request as it arrived. */
export interface Received extends Request {
  readonly region: string
}

const RECEIPT: WireReceipt = {
  level: 'session',
  region: 'a',
  source: 'home',
  stalenessMs: 0,
  crossRegionRoundTrips: 0,
}

/** A successful response. */
export function ok(value: unknown, session: Partial<SessionState> = {}): Response {
  return {
    ok: true,
    value: value as never,
    session: { positions: {}, nowMs: 0, ...session },
    receipt: RECEIPT,
  }
}

/** A response that says what went wrong. */
export function refused(error: MeridianError, receipt: FailedReceipt | null = null): Response {
  return { ok: false, error: toWireError(error), receipt }
}

/** Serves each request with the next reply; the last one stays. */
export class FakeNodes implements Transport {
  readonly received: Received[] = []
  readonly #replies: Reply[]

  constructor(...replies: Reply[]) {
    this.#replies = replies
  }

  async request(region: string, message: Uint8Array): Promise<Uint8Array> {
    this.received.push({ region, ...decodeRequest(message) })
    const reply = this.#replies.length > 1 ? this.#replies.shift() : this.#replies[0]
    if (reply === undefined || reply === 'silence') return new Promise(() => undefined)
    if (reply instanceof Error) throw reply
    return encodeResponse(reply)
  }

  connect(): Promise<never> {
    return Promise.reject(new Error('no channels here'))
  }
}

/** A connection from region `a`. */
export function connectTo(transport: Transport, deadlineMs?: number): Connection {
  return new Connection({
    region: 'a',
    transport,
    runtime: systemRuntime,
    schemaVersion: 1,
    principal: null,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  })
}
