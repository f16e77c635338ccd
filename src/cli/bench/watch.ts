/** What a person who watches a run of benchmarks sees of it. */
import { describeCell, threeFigures } from '../../../benchmarks/report/names.ts'
import type { Cell, PeerCell } from '../../../benchmarks/measure/cell.ts'
import type { BenchEvent } from '../../../benchmarks/run/options.ts'
import type { Progress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'

const REFRESH_MS = 200
/** An estimate is corrected by what steps took so far, but not by more than this. */
const MOST_CORRECTION = 4

const PHASES = {
  open: 'opening the deployment',
  prepare: 'tenants and rows',
  measure: 'measuring',
  again: 'measuring again what broke a bound',
  close: 'closing',
} as const

type StepEvent = Extract<BenchEvent, { kind: 'step' }>

/** Shows the events of a run of so many steps on a progress bar; `stop` when it is over. */
export function watchRun(
  terminal: Terminal,
  progress: Progress,
  steps: number,
): { readonly onEvent: (event: BenchEvent) => void; readonly stop: () => void } {
  let doing: string = PHASES.open
  let remark = ''
  let isAgain = false
  let latest = ''
  let step: StepEvent | undefined
  const remaining = new RemainingTime()
  const show = (): void => {
    const left = step === undefined ? '' : remaining.text(performance.now())
    const parts = [left, isAgain ? 'again' : '', remark === '' ? doing : remark, latest]
    progress.update(
      isAgain ? steps : (step?.index ?? 0),
      parts.filter((part) => part !== '').join(' | '),
    )
  }
  const onEvent = (event: BenchEvent): void => {
    switch (event.kind) {
      case 'phase':
        doing = PHASES[event.phase]
        isAgain = event.phase === 'again'
        remark = ''
        if (event.phase === 'close') step = undefined
        break
      case 'step':
        step = event
        doing = event.name
        remark = ''
        remaining.begin(event, performance.now())
        break
      case 'measured':
        remaining.end(performance.now())
        latest = latestText(event.cells.at(-1), event.peers.at(-1)) ?? latest
        break
      case 'doing':
        remark = event.text
        break
      case 'notice':
        terminal.note(`  ${event.text}`)
    }
    show()
  }
  const timer = setInterval(show, REFRESH_MS)
  return { onEvent, stop: () => clearInterval(timer) }
}

function latestText(cell: Cell | undefined, peer: PeerCell | undefined): string | undefined {
  if (cell !== undefined) return `${describeCell(cell)}: ${figure(cell)}`
  if (peer !== undefined) return `${peer.peer} ${peer.op}, ${peer.origin}: ${figure(peer)}`
  return undefined
}

function figure({ p50Ms, n }: Pick<Cell, 'p50Ms' | 'n'>): string {
  return p50Ms === null ? `n = ${n}` : `p50 ${threeFigures(p50Ms)} ms`
}

/** How much longer a run takes, from what its steps were expected to take and took. */
export class RemainingTime {
  #current: StepEvent | undefined
  #startedAtMs = 0
  #expectedMs = 0
  #tookMs = 0

  begin(step: StepEvent, nowMs: number): void {
    this.#current = step
    this.#startedAtMs = nowMs
  }

  end(nowMs: number): void {
    this.#expectedMs += this.#current?.expectedMs ?? 0
    this.#tookMs += nowMs - this.#startedAtMs
  }

  /** Milliseconds. */
  at(nowMs: number): number {
    if (this.#current === undefined) return 0
    const { expectedMs, afterMs } = this.#current
    const correction = this.#expectedMs === 0 ? 1 : this.#tookMs / this.#expectedMs
    const factor = Math.min(MOST_CORRECTION, Math.max(1 / MOST_CORRECTION, correction))
    const ofThisMs = Math.max(0, expectedMs * factor - (nowMs - this.#startedAtMs))
    return ofThisMs + afterMs * factor
  }

  text(nowMs: number): string {
    const seconds = Math.round(this.at(nowMs) / 1000)
    if (seconds < 100) return `${seconds} s left`
    return `${Math.round(seconds / 60)} min left`
  }
}
