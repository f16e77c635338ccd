/** Where spans go: a collector that speaks OTLP over HTTP, named as OpenTelemetry's variables do. */
import type { TracerProviderOptions } from '@opentelemetry/sdk-trace'
import { createTracing, NO_TRACING, type Tracing } from './tracing.ts'

const TRACES_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const SERVICE_NAME = 'OTEL_SERVICE_NAME'
const DEFAULT_SERVICE_NAME = 'meridian-node'
const FLUSH_TIMEOUT_MS = 2_000

/** Tracing by the environment; none where it names no collector. */
export async function openTracing(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Tracing> {
  const url = collectorUrl(environment)
  if (url === undefined) return NO_TRACING
  const [api, { BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ])
  const provider = new TracerProvider({
    resource: resource(environment[SERVICE_NAME] ?? DEFAULT_SERVICE_NAME),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
  })
  const flush = async (): Promise<void> => {
    // A collector that is away must not keep a node from ending.
    await provider.forceFlush({ timeoutMillis: FLUSH_TIMEOUT_MS }).catch(() => undefined)
    await provider.shutdown().catch(() => undefined)
  }
  return createTracing(provider.getTracer('meridian'), api, flush)
}

function collectorUrl(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const own = environment[TRACES_ENDPOINT]
  if (own !== undefined && own !== '') return own
  const base = environment[ENDPOINT]
  if (base === undefined || base === '') return undefined
  return `${base.replace(/\/+$/, '')}/v1/traces`
}

/** Which service the spans are of. */
function resource(serviceName: string): NonNullable<TracerProviderOptions['resource']> {
  const attributes = { 'service.name': serviceName }
  const own: NonNullable<TracerProviderOptions['resource']> = {
    attributes,
    getRawAttributes: () => Object.entries(attributes),
    merge: () => own,
  }
  return own
}
