/** CPU time of a deployment by kind of process, and of the client apart from what runs beside it. */
import { readFileSync } from 'node:fs'
import { CpuReader } from '../measure/process-cpu.ts'
import type { TargetProcess } from '../target/target.ts'

/** CPU ms since the start, by kind: `node`, `store`, `etcd`, …, `client`, `network`. */
export type CpuByKind = ReadonlyMap<string, number>

export class CpuKinds {
  readonly #processes: () => readonly TargetProcess[]
  readonly #reader = new CpuReader()
  /** A process's first thread has its number. */
  readonly #mainThread = new CpuReader((pid) =>
    readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1'),
  )

  constructor(processes: () => readonly TargetProcess[]) {
    this.#processes = processes
  }

  /**
   * This process's first thread is the client; its others are the emulated network and the engine's
   * helpers. Where the regions are in this process there is one kind, `process`.
   */
  read(): CpuByKind {
    const kinds = new Map<string, number[]>()
    for (const { name, pid } of this.#processes()) {
      if (pid === process.pid) continue
      const kind = kindOf(name)
      kinds.set(kind, [...(kinds.get(kind) ?? []), pid])
    }
    const byKind = new Map([...kinds].map(([kind, pids]) => [kind, this.#reader.cpuMs(pids)]))
    const all = this.#reader.cpuMs([process.pid])
    if (kinds.size === 0) return byKind.set('process', all)
    const client = this.#mainThread.cpuMs([process.pid])
    return byKind.set('client', client).set('network', all - client)
  }
}

/** `node us-east` is a `node`. */
export function kindOf(name: string): string {
  return name.split(' ')[0] ?? name
}

/** What each kind used between two readings, for each of `count`. */
export function cpuEach(before: CpuByKind, after: CpuByKind, count: number): CpuByKind {
  return new Map([...after].map(([kind, ms]) => [kind, (ms - (before.get(kind) ?? 0)) / count]))
}
