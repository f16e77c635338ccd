/** A line that says how far a long run is: redrawn on a terminal, repeated now and then elsewhere. */

const TERMINAL_PERIOD_MS = 250
const PLAIN_PERIOD_MS = 10_000
const BAR_WIDTH = 20
const CLEAR_LINE = '\r\u001B[2K'

/** `[#####...............] 4 of 16` */
export function progressBar(done: number, total: number): string {
  const filled = Math.round((BAR_WIDTH * done) / total)
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${done} of ${total}`
}

export class StatusLine {
  readonly #describe: () => string
  readonly #onTerminal = process.stdout.isTTY
  readonly #timer: NodeJS.Timeout

  /** @param describe - called whenever the line is drawn; keep it shorter than a terminal is wide. */
  constructor(describe: () => string) {
    this.#describe = describe
    const periodMs = this.#onTerminal ? TERMINAL_PERIOD_MS : PLAIN_PERIOD_MS
    this.#timer = setInterval(() => this.#draw(), periodMs)
  }

  /** Prints text that stays, above the line. */
  print(text: string): void {
    console.log(this.#onTerminal ? CLEAR_LINE + text : text)
  }

  stop(): void {
    clearInterval(this.#timer)
    if (this.#onTerminal) process.stdout.write(CLEAR_LINE)
  }

  #draw(): void {
    if (!this.#onTerminal) console.log(this.#describe())
    else process.stdout.write(CLEAR_LINE + this.#describe().slice(0, process.stdout.columns - 1))
  }
}
