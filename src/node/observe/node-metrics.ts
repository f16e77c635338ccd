/**
 * What a node counts, for Prometheus. Labels are names of this program's own and of regions: never
 * tenants, whose number has no bound, and never values of rows.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { asMeridianError, type ErrorCode } from '../../core/errors.ts'
import type { Clock } from '../../core/ports/runtime.ts'
import type { Store } from '../../core/ports/store.ts'
import type { NodeReport, RegionReport } from '../node-status.ts'
import type { SharedRegionReport } from '../shared-region/shared-region.ts'
import { ClockGauges } from './clock-gauges.ts'
import { CacheGauges } from './cache-gauges.ts'
import { CopyGauges } from './copy-gauges.ts'
import type { RequestObserver } from './request-observer.ts'
import { StrongWrites } from './strong-writes.ts'

/** The text of all metrics. */
export interface RenderedMetrics {
  readonly contentType: string
  readonly text: string
}

const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
const SUCCESS = 'OK'

export class NodeMetrics {
  readonly #clock: Clock
  readonly #registry = new Registry()
  readonly #durations: Histogram<'region' | 'kind' | 'code'>
  readonly #refusals: Counter<'code'>
  readonly #waitingWrites: Gauge<'region'>
  readonly #passed: Counter<'region'>
  /** Where strong writes come from. */
  readonly strongWrites: StrongWrites
  readonly #shared: SharedGauges
  readonly #node: NodeGauges
  readonly #regions: RegionGauges
  readonly #caches: CacheGauges
  readonly #copies: CopyGauges
  readonly #clocks: ClockGauges

  constructor(clock: Clock) {
    this.#clock = clock
    const registers = [this.#registry]
    // The process: CPU, memory, garbage collection, delay of the event loop.
    collectDefaultMetrics({ register: this.#registry })
    this.#durations = new Histogram({
      name: 'meridian_request_duration_seconds',
      help: 'Requests by what they asked and what came of it: OK or the code of the error.',
      labelNames: ['region', 'kind', 'code'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    })
    this.#refusals = new Counter({
      name: 'meridian_refused_requests_total',
      help: 'Requests that were refused before a region had them, by the code of the error.',
      labelNames: ['code'],
      registers,
    })
    this.#waitingWrites = new Gauge({
      name: 'meridian_store_writes_waiting',
      help: 'Writes that wait in the queue of a store, or are being written.',
      labelNames: ['region'],
      registers,
    })
    this.#passed = new Counter({
      name: 'meridian_passed_requests_total',
      help: 'Requests that the node of the region which holds it answered.',
      labelNames: ['region'],
      registers,
    })
    this.strongWrites = new StrongWrites(clock, this.#registry)
    this.#shared = new SharedGauges(this.#registry)
    this.#node = new NodeGauges(this.#registry)
    this.#regions = new RegionGauges(this.#registry)
    this.#caches = new CacheGauges(this.#registry)
    this.#copies = new CopyGauges(this.#registry)
    this.#clocks = new ClockGauges(this.#registry)
  }

  /** Counts and times the requests of a region. */
  observer(region: string): RequestObserver {
    return async (request, work) => {
      const { kind } = request.body
      const startedMs = this.#clock.monotonicMs()
      const end = (code: string): void => {
        const seconds = (this.#clock.monotonicMs() - startedMs) / 1000
        this.#durations.observe({ region, kind, code }, seconds)
      }
      try {
        const done = await work(request)
        end(SUCCESS)
        return done
      } catch (error) {
        end(asMeridianError(error).code)
        throw error
      }
    }
  }

  /** Counts a request that no region had. */
  refused(code: ErrorCode): void {
    this.#refusals.inc({ code })
  }

  /** Counts a request that another node of the region answered. */
  passed(region: string): void {
    this.#passed.inc({ region })
  }

  /** The store, with its waiting writes counted. */
  countWrites(region: string, store: Store): Store {
    const waiting = this.#waitingWrites.labels({ region })
    waiting.set(0)
    return {
      async write(statements) {
        waiting.inc()
        try {
          return await store.write(statements)
        } finally {
          waiting.dec()
        }
      },
      read: (statements) => store.read(statements),
      query: (statement) => store.query(statement),
      ...(store.snapshot === undefined ? {} : { snapshot: store.snapshot.bind(store) }),
      ...(store.durability === undefined ? {} : { durability: store.durability }),
      ...(store.takesStatistics === undefined ? {} : { takesStatistics: store.takesStatistics }),
      onCommit: (listener) => store.onCommit(listener),
      close: () => store.close(),
    }
  }

  /** All metrics now. */
  async render(report: NodeReport): Promise<RenderedMetrics> {
    this.#node.set(report)
    for (const region of report.regions) {
      this.#regions.set(region)
      if (region.clock) this.#clocks.set(region.region, region.clock)
      for (const copy of region.logGroups ?? []) this.#copies.set(region.region, copy)
      if (region.cache) this.#caches.set(region.region, region.cache)
    }
    for (const region of report.shared) this.#shared.set(region)
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }
}

/** The gauges of a process. */
class NodeGauges {
  readonly #ready: Gauge
  readonly #connections: Gauge
  readonly #inProgress: Gauge

  constructor(registry: Registry) {
    this.#ready = gauge(registry, 'meridian_ready', 'Whether the node is ready: 1 or 0.')
    this.#connections = gauge(registry, 'meridian_connections', 'Open connections.')
    const help = 'Requests in progress.'
    this.#inProgress = gauge(registry, 'meridian_requests_in_progress', help)
  }

  set(report: NodeReport): void {
    this.#ready.set(Number(report.ready))
    this.#connections.set(report.connections)
    this.#inProgress.set(report.requestsInProgress)
  }
}

/** The gauges of a region that several nodes have. */
class SharedGauges {
  readonly #leader: Gauge<'region'>
  readonly #handovers: Gauge<'region'>

  constructor(registry: Registry) {
    const holds = 'Whether this node holds the region: 1 or 0.'
    const times = 'How often this node has taken the region over since it started.'
    this.#leader = gauge(registry, 'meridian_region_leader', holds, 'region')
    this.#handovers = gauge(registry, 'meridian_region_handovers', times, 'region')
  }

  set({ region, state, handovers }: SharedRegionReport): void {
    this.#leader.set({ region }, Number(state === 'leading'))
    this.#handovers.set({ region }, handovers)
  }
}

/** The gauges of a region: how far its roles are, and its streams. */
class RegionGauges {
  readonly #positions: Readonly<
    Record<'strongIndex' | 'relayPosition' | 'viewPosition', Gauge<'region'>>
  >
  readonly #importLag: Gauge<'region' | 'from'>
  readonly #importConnected: Gauge<'region' | 'from'>
  readonly #exportInFlight: Gauge<'region' | 'to'>
  readonly #exportConnected: Gauge<'region' | 'to'>

  constructor(registry: Registry) {
    const of = (name: string, help: string): Gauge<'region'> =>
      gauge(registry, `meridian_${name}`, help, 'region')
    this.#positions = {
      strongIndex: of('strong_index', 'The index of the log of strong tables that is applied.'),
      relayPosition: of('relay_position', 'The change log holds all changes up to here.'),
      viewPosition: of('view_position', 'The views hold all changes up to here.'),
    }
    const lag = 'Changes known but not applied yet.'
    const inFlight = 'Changes that were sent and are not confirmed.'
    const open = 'Whether the stream is open: 1 or 0.'
    this.#importLag = gauge(registry, 'meridian_import_lag_changes', lag, 'region', 'from')
    this.#importConnected = gauge(registry, 'meridian_import_connected', open, 'region', 'from')
    this.#exportInFlight = gauge(registry, 'meridian_export_in_flight', inFlight, 'region', 'to')
    this.#exportConnected = gauge(registry, 'meridian_export_connected', open, 'region', 'to')
  }

  set(report: RegionReport): void {
    const { region } = report
    for (const name of ['strongIndex', 'relayPosition', 'viewPosition'] as const) {
      this.#positions[name].set({ region }, report[name])
    }
    for (const { from, lag, connected } of report.imports) {
      this.#importLag.set({ region, from }, lag)
      this.#importConnected.set({ region, from }, Number(connected))
    }
    for (const { to, inFlight, connected } of report.exports) {
      this.#exportInFlight.set({ region, to }, inFlight)
      this.#exportConnected.set({ region, to }, Number(connected))
    }
  }
}

function gauge<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  ...labelNames: readonly L[]
): Gauge<L> {
  return new Gauge({ name, help, labelNames, registers: [registry] })
}
