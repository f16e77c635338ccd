/** What a node counts, for Prometheus. Labels are names of this program's own: no tenants, no values. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { NodeReport } from '../node-status.ts'

export interface NodeMetricsSources {
  readonly report: () => NodeReport
  readonly refused: () => number
}

export class NodeMetrics {
  readonly #registry = new Registry()

  constructor(sources: NodeMetricsSources) {
    collectDefaultMetrics({ register: this.#registry })
    const { report } = sources
    this.#gauge('meridian_connections', 'Open connections.', () => report().connections)
  }

  async render(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  async close(): Promise<void> {
    this.#registry.clear()
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    })
  }
}
