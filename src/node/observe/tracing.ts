/**
 * OpenTelemetry spans of a node: one a request, which continues its caller's trace, with one for
 * each access to the store below it. Sent by OTLP over HTTP where a collector is configured;
 * without one nothing is loaded and nothing is wrapped. Names and codes go into spans, never values.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Span, Tracer } from '@opentelemetry/api'
import { asMeridianError } from '../../core/errors.ts'
import type { Store } from '../../core/ports/store.ts'
import { unobserved, type RequestObserver } from './request-observer.ts'

/** What makes spans. */
export interface Tracing {
  /** A span of each request of a region. */
  observer(region: string): RequestObserver
  /** The store, with a span of each access that belongs to a request. */
  traceStore(region: string, store: Store): Store
  /** Sends what waits to be sent. */
  close(): Promise<void>
}

/** Makes no spans. */
export const NO_TRACING: Tracing = {
  observer: () => unobserved,
  traceStore: (_region, store) => store,
  close: async () => undefined,
}

/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const ALL_ZERO = /^0+$/

/** What of OpenTelemetry's API is needed to make spans: loaded only where there are any. */
type Api = Pick<
  typeof import('@opentelemetry/api'),
  'ROOT_CONTEXT' | 'SpanKind' | 'SpanStatusCode' | 'trace'
>

/** Makes spans by `tracer`. */
export function createTracing(tracer: Tracer, api: Api, flush: () => Promise<void>): Tracing {
  const current = new AsyncLocalStorage<Context>()
  const run = async <T>(span: Span, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const { code } = asMeridianError(error)
      span.setAttribute('error.type', code)
      span.setStatus({ code: api.SpanStatusCode.ERROR, message: code })
      throw error
    } finally {
      span.end()
    }
  }
  return {
    observer: (region) => (request, work) => {
      const { header, body } = request
      const attributes = { 'meridian.region': region, 'db.operation.name': body.kind }
      const parent = parentContext(api, header.trace)
      const span = tracer.startSpan(
        `node ${body.kind}`,
        { kind: api.SpanKind.SERVER, attributes },
        parent,
      )
      const observed = { header: { ...header, trace: traceparent(span) }, body }
      const context = api.trace.setSpan(parent, span)
      return run(span, () => current.run(context, () => work(observed)))
    },
    traceStore(region, store) {
      const access = <T>(name: string, count: number, work: () => Promise<T>): Promise<T> => {
        const context = current.getStore()
        // The work of roles belongs to no request.
        if (context === undefined) return work()
        const attributes = { 'meridian.region': region, 'db.operation.batch.size': count }
        return run(tracer.startSpan(name, { kind: api.SpanKind.CLIENT, attributes }, context), work)
      }
      return {
        write: (all) => access('store write', all.length, () => store.write(all)),
        read: (all) => access('store read', all.length, () => store.read(all)),
        query: (one) => access('store query', 1, () => store.query(one)),
        ...(store.snapshot === undefined ? {} : { snapshot: store.snapshot.bind(store) }),
        onCommit: (listener) => store.onCommit(listener),
        close: () => store.close(),
      }
    },
    close: flush,
  }
}

/** The caller's span, or the root of a new trace. */
function parentContext({ ROOT_CONTEXT, trace }: Api, header: string | null): Context {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(header ?? '') ?? []
  if (ALL_ZERO.test(traceId) || traceId === '' || ALL_ZERO.test(spanId)) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags, 16)
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

function traceparent(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
