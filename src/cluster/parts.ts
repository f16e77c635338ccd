/** The running parts of a cluster: told of while they start and stop, and noticed when they end. */
import { MeridianError } from '../core/errors.ts'
import type { ProcessEnd } from './engines/kept-process.ts'
import type { HealthTarget } from './health.ts'
import { partName, type RegionPart } from './layout.ts'

/** A process, whichever program it runs. */
export interface PartProcess {
  readonly pid: number
  readonly isRunning: boolean
  readonly ended: Promise<ProcessEnd>
  readonly logFile: string
  lastLines(count?: number): readonly string[]
  close(): Promise<void>
  restart(): Promise<void>
}

/** Where a part stands. */
export interface PartProgress {
  readonly name: string
  readonly state: 'starting' | 'ready' | 'stopping' | 'stopped'
  /** Since it began to start or to stop. */
  readonly elapsedMs: number
}

/** A part that ended without being asked to. */
export interface EndedPart {
  readonly name: string
  readonly end: ProcessEnd
  readonly logFile: string
  readonly lastLines: readonly string[]
}

export interface PartsOptions {
  readonly onProgress: (progress: PartProgress) => void
  readonly onEnded: (part: EndedPart) => void
}

/** A part that runs. */
interface RunningPart {
  readonly name: string
  readonly kind: HealthTarget['kind']
  readonly process: PartProcess
  readonly target: HealthTarget
}

/** What a part is registered with. */
export interface PartSpec {
  readonly kind: RegionPart | 'node'
  readonly region: string
  readonly index?: number
  readonly address: string
  readonly version: string
  readonly process: PartProcess
  readonly probe: HealthTarget['probe']
}

/** What needs others ends before them. */
const STOP_ORDER: readonly HealthTarget['kind'][] = ['node', 'store', 'kafka', 'redis', 'etcd']

export class Parts {
  readonly #options: PartsOptions
  readonly #parts: RunningPart[] = []
  /** Of these the end is no news. */
  readonly #expected = new Set<PartProcess>()

  constructor(options: PartsOptions) {
    this.#options = options
  }

  /** What can be asked how it stands. */
  get targets(): readonly HealthTarget[] {
    return this.#parts.map(({ target }) => target)
  }

  /** Tells of the start of parts, which are all there when `work` is done. */
  async starting<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const startedAtMs = performance.now()
    const tell = (state: 'starting' | 'ready'): void => {
      const elapsedMs = performance.now() - startedAtMs
      for (const name of names) this.#options.onProgress({ name, state, elapsedMs })
    }
    tell('starting')
    const result = await work()
    tell('ready')
    return result
  }

  /** Takes a process that has started: it ends with the cluster. */
  add(spec: PartSpec): void {
    const { kind, region, process, address, version, probe } = spec
    const name = partName(kind, region, spec.index)
    const pid = (): number => process.pid
    const target = { region, kind, name, address, version, pid, probe }
    this.#parts.push({ name, kind, process, target })
    this.#watch(name, process)
  }

  /** Runs `work`, in which the process may end. */
  async expecting(process: PartProcess, work: () => Promise<void>): Promise<void> {
    const part = this.#parts.find((one) => one.process === process)
    if (part === undefined) throw new MeridianError('INTERNAL', 'The process is no part.')
    this.#expected.add(process)
    try {
      await work()
    } finally {
      this.#expected.delete(process)
      if (process.isRunning) this.#watch(part.name, process)
    }
  }

  /** Ends all in order. */
  async close(): Promise<void> {
    for (const { process } of this.#parts) this.#expected.add(process)
    for (const kind of STOP_ORDER) {
      const group = this.#parts.filter((part) => part.kind === kind)
      // A leader of etcd hands over before it ends; to one that ends, too, it would try for long.
      if (kind === 'etcd') for (const part of group) await this.#stop(part)
      else await Promise.all(group.map((part) => this.#stop(part)))
    }
    this.#parts.length = 0
  }

  async #stop({ name, process }: RunningPart): Promise<void> {
    const startedAtMs = performance.now()
    const tell = (state: 'stopping' | 'stopped'): void =>
      this.#options.onProgress({ name, state, elapsedMs: performance.now() - startedAtMs })
    tell('stopping')
    await process.close()
    tell('stopped')
  }

  #watch(name: string, process: PartProcess): void {
    void process.ended.then((end) => {
      if (this.#expected.has(process)) return
      const { logFile } = process
      this.#options.onEnded({ name, end, logFile, lastLines: process.lastLines() })
    })
  }
}
