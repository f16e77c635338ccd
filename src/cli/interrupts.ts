/** Ctrl-C: the first asks a command to end in order, the second ends the process. */
import { EXIT } from './command.ts'
import type { Terminal } from './terminal.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs `work` with a signal that an interrupt aborts. */
export async function withInterrupts<T>(
  terminal: Terminal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort()
    // For whoever pressed Ctrl-C; where nobody watches, standard error may be a log of JSON lines.
    if (terminal.streams.stderr.isTTY === true) {
      terminal.note('\nStopping… (once more to stop at once)')
    }
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal)
  }
}
