/**
 * A span of each call, and its context in every request, so that nodes hang their spans from it.
 * OpenTelemetry's types alone are used: whoever wants traces brings the tracer.
 */
import type { Span, SpanKind, SpanStatusCode, Tracer } from '@opentelemetry/api'
import { asMeridianError } from '../core/errors.ts'

export type { Tracer } from '@opentelemetry/api'

// The enums' values: importing the enums themselves would bring the whole API along.
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const CLIENT: SpanKind = 2
// oxlint-disable-next-line typescript/no-unsafe-enum-assignment
const ERROR: SpanStatusCode = 2
const NO_TRACE = /^0*$/

/** What of a call is traced. */
interface Traceable {
  readonly name: string
  trace: string | null
}

/** Runs `work` under a span that ends with it. Names and codes go into it, never values. */
export async function traced<T>(
  tracer: Tracer,
  region: string,
  call: Traceable,
  work: () => Promise<T>,
): Promise<T> {
  const attributes = {
    'db.system.name': 'meridian',
    'db.operation.name': call.name,
    'meridian.region': region,
  }
  const span = tracer.startSpan(call.name, { kind: CLIENT, attributes })
  call.trace = traceparent(span)
  try {
    return await work()
  } catch (error) {
    const { code, retry } = asMeridianError(error)
    span.setAttributes({ 'error.type': code, 'meridian.retry': retry })
    span.setStatus({ code: ERROR, message: code })
    throw error
  } finally {
    span.end()
  }
}

/** A span's context as it travels (W3C Trace Context, version 00); `null` for one that is none. */
function traceparent(span: Span): string | null {
  const { traceId, spanId, traceFlags } = span.spanContext()
  if (NO_TRACE.test(traceId)) return null
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
