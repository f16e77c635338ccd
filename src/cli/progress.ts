/** Progress of something that takes a while: a bar on a terminal, a line now and then elsewhere. */
import type { Terminal } from './terminal.ts'

/** A running progress display. */
export interface Progress {
  /** How much is done, and what to say beside it. */
  update(done: number, remark?: string): void
}

const TERMINAL_PERIOD_MS = 100
/** Also how long something may take before a log hears of it. */
const LOG_PERIOD_MS = 2_000
const BAR_WIDTH = 28

/** Shows progress while `work` runs. Without a `total` it shows the seconds that have passed. */
export async function withProgress<T>(
  terminal: Terminal,
  label: string,
  total: number | undefined,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const { stop, ...progress } = startProgress(terminal, label, total)
  try {
    return await work(progress)
  } finally {
    stop()
  }
}

function startProgress(
  terminal: Terminal,
  label: string,
  total: number | undefined,
): Progress & { readonly stop: () => void } {
  const { stderr } = terminal.streams
  const onTerminal = stderr.isTTY === true
  const startedAtMs = performance.now()
  let done = 0
  let remark = ''
  const draw = (): void => {
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(onTerminal ? 1 : 0)
    const line = `  ${label}  ${describe(done, total)}  ${seconds} s${remark}`
    stderr.write(onTerminal ? `\r${clip(line, stderr.columns)}\u001B[K` : `${line}\n`)
  }
  const timer = setInterval(draw, onTerminal ? TERMINAL_PERIOD_MS : LOG_PERIOD_MS)
  return {
    update(next, text = '') {
      done = next
      remark = text === '' ? '' : `  ${text}`
    },
    stop() {
      clearInterval(timer)
      if (onTerminal) stderr.write('\r\u001B[K')
    },
  }
}

function describe(done: number, total: number | undefined): string {
  if (total === undefined) return '…'
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(BAR_WIDTH * share)
  const bar = '#'.repeat(filled) + '.'.repeat(BAR_WIDTH - filled)
  return `[${bar}] ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`
}

/** A line that wraps cannot be redrawn. */
function clip(line: string, columns = 80): string {
  return line.length < columns ? line : `${line.slice(0, columns - 2)}…`
}
