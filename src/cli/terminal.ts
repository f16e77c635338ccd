/** Where a command writes: results to stdout, progress and errors to stderr. */
import { styleText } from 'node:util'

/** The two streams, as `process` has them. */
export interface Streams {
  readonly stdout: Output
  readonly stderr: Output
}

/** A stream that may be a terminal. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** A style of a text on a terminal. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Colours where they are wanted: on a terminal, unless `NO_COLOR` is set. */
export class Terminal {
  readonly streams: Streams
  readonly #colors: boolean

  constructor(streams: Streams, environment: NodeJS.ProcessEnv) {
    this.streams = streams
    const noColor = environment['NO_COLOR']
    this.#colors = streams.stdout.isTTY === true && (noColor === undefined || noColor === '')
  }

  /** Writes a line of the result. */
  line(text = ''): void {
    this.streams.stdout.write(`${text}\n`)
  }

  /** Writes a line for the person who watches. */
  note(text: string): void {
    this.streams.stderr.write(`${text}\n`)
  }

  style(style: Style | readonly Style[], text: string): string {
    if (!this.#colors) return text
    // Whether there are colours was decided for this stream; Node 22 would ask its own standard output.
    return styleText(style as Parameters<typeof styleText>[0], text, { validateStream: false })
  }

  heading(text: string): void {
    this.line()
    this.line(this.style('bold', text))
  }
}
