/** The gauges of a node's clock beside those of other regions. */
import { Gauge, type Registry } from 'prom-client'
import type { ClockStatus } from '../clock-check.ts'

export class ClockGauges {
  readonly #inStep: Gauge<'region'>
  readonly #offset: Gauge<'region' | 'peer'>
  readonly #uncertainty: Gauge<'region' | 'peer'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#inStep = new Gauge({
      name: 'meridian_clock_in_step',
      help: 'Whether the clock may stamp strong writes: 1 or 0.',
      labelNames: ['region'],
      registers,
    })
    this.#offset = new Gauge({
      name: 'meridian_clock_offset_seconds',
      help: "How far the clock is ahead of a peer's.",
      labelNames: ['region', 'peer'],
      registers,
    })
    this.#uncertainty = new Gauge({
      name: 'meridian_clock_uncertainty_seconds',
      help: 'How far the true offset may be from the measured one.',
      labelNames: ['region', 'peer'],
      registers,
    })
  }

  set(region: string, { isInStep, peers }: ClockStatus): void {
    this.#inStep.set({ region }, Number(isInStep))
    for (const { region: peer, offsetMs, uncertaintyMs } of peers) {
      this.#offset.set({ region, peer }, offsetMs / 1000)
      this.#uncertainty.set({ region, peer }, uncertaintyMs / 1000)
    }
  }
}
