/** Clock and timers that move only when a test says so. */
import type { Runtime } from '../../src/core/ports/runtime.ts'

interface Due {
  readonly atMs: number
  readonly callback: () => void
}

export class ManualRuntime implements Runtime {
  #nowMs = 1_700_000_000_000
  #due: Due[] = []

  readonly clock = {
    nowMs: (): number => this.#nowMs,
    monotonicMs: (): number => this.#nowMs,
    bootMs: (): number => this.#nowMs,
  }

  readonly random = {
    bytes: (length: number): Uint8Array => new Uint8Array(length),
    fraction: (): number => 0.5,
  }

  readonly timers = {
    after: (delayMs: number, callback: () => void): (() => void) => {
      const due = { atMs: this.#nowMs + delayMs, callback }
      this.#due.push(due)
      return () => {
        this.#due = this.#due.filter((one) => one !== due)
      }
    },
    defer: (callback: () => void): void => {
      setImmediate(callback)
    },
  }

  /** Lets time pass; timers fire in their order, what they start gets its turns. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await turns()
    for (;;) {
      const [next] = this.#due.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > endMs) break
      this.#nowMs = next.atMs
      this.#due = this.#due.filter((one) => one !== next)
      next.callback()
      await turns()
    }
    this.#nowMs = endMs
    await turns()
  }
}

/** Lets everything that is ready run. */
export async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
