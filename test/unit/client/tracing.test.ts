import { TracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { expect, it } from 'vitest'
import { Connection } from '../../../src/client/connection.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { Session } from '../../../src/session/session.ts'
import { FakeNodes, ok, refused, type Reply } from '../../support/fake-node.ts'

function trace(...replies: Reply[]) {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  const nodes = new FakeNodes(...replies)
  const connection = new Connection({
    region: 'a',
    transport: nodes,
    runtime: systemRuntime,
    schemaVersion: 1,
    principal: null,
    tracer: provider.getTracer('test'),
  })
  const call = connection.begin('orders.get', new Session(), undefined)
  const hello = (): Promise<unknown> => connection.send('a', { kind: 'hello' }, call)
  return { exporter, nodes, connection, call, hello }
}

it('a call is one span, whose context all of its requests carry', async () => {
  const { exporter, nodes, connection, call, hello } = trace(ok({ positions: {} }))
  await connection.bound(call, async () => {
    await hello()
    await connection.bound(connection.within(call, 5_000), hello)
  })
  const [span, ...more] = exporter.getFinishedSpans()
  expect(more).toEqual([])
  expect(span?.name).toBe('orders.get')
  expect(span?.attributes).toMatchObject({
    'db.operation.name': 'orders.get',
    'meridian.region': 'a',
  })
  const { traceId, spanId } = span!.spanContext()
  const sent = nodes.received.map(({ header }) => header.trace)
  expect(sent).toEqual([`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}-01`])
})

it('a span says what the call failed with, by code', async () => {
  const error = new MeridianError('NOT_FOUND', 'There is no row `secret`.')
  const { exporter, connection, call, hello } = trace(refused(error))
  await expect(connection.bound(call, hello)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const [span] = exporter.getFinishedSpans()
  expect(span?.status).toEqual({ code: 2, message: 'NOT_FOUND' })
  expect(span?.attributes).toMatchObject({ 'error.type': 'NOT_FOUND', 'meridian.retry': 'never' })
  expect(JSON.stringify([span?.attributes, span?.events])).not.toContain('secret')
})
