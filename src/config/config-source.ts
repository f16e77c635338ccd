/** A configuration text, and errors that point into it. */
import { LineCounter, parseDocument, type Document } from 'yaml'
import { MeridianError } from '../core/errors.ts'

/** A step into a configuration: a key or an index. */
export type ConfigPath = readonly PropertyKey[]

/** A parsed YAML (or JSON) text that knows where each value stands. */
export class ConfigSource {
  readonly name: string
  readonly #document: Document
  readonly #lines: LineCounter

  /** @throws MeridianError `CONFIG_INVALID` when the text is not YAML */
  constructor(text: string, name: string) {
    this.name = name
    this.#lines = new LineCounter()
    this.#document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: true })
    const error = this.#document.errors[0]
    if (error !== undefined) {
      const line = this.#lines.linePos(error.pos[0]).line
      throw new MeridianError('CONFIG_INVALID', `${name}:${line}: ${headline(error.message)}`, {
        fix: 'Correct the YAML.',
        details: { source: name, line },
      })
    }
  }

  /** The plain value. */
  value(): unknown {
    return this.#document.toJS()
  }

  /** The error for a value: `file:line: path.to.value: what is wrong.` and what to do. */
  invalid(path: ConfigPath, problem: string, fix: string): MeridianError {
    const line = this.#lineOf(path)
    const at = `${this.name}${line === undefined ? '' : `:${line}`}`
    const where = path.length === 0 ? '' : `${pathText(path)}: `
    return new MeridianError('CONFIG_INVALID', `${at}: ${where}${problem}.`, {
      fix,
      details: { source: this.name, path: pathText(path), ...(line === undefined ? {} : { line }) },
    })
  }

  /** The line of the value, or of the nearest thing around it that is there. */
  #lineOf(path: ConfigPath): number | undefined {
    for (let depth = path.length; depth > 0; depth--) {
      const node: unknown = this.#document.getIn(path.slice(0, depth), true)
      const start = (node as { range?: [number] } | undefined)?.range?.[0]
      if (start !== undefined) return this.#lines.linePos(start).line
    }
    return undefined
  }
}

function pathText(path: ConfigPath): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : dotted(step, i))).join('')
}

function dotted(step: PropertyKey, place: number): string {
  return place === 0 ? String(step) : `.${String(step)}`
}

/** The first line of a parser's message: the rest repeats the text. */
function headline(message: string): string {
  return message.split('\n', 1)[0]?.replace(/:?$/, '.') ?? ''
}
