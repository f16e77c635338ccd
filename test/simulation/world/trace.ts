/** What happened in a run, as one number: equal hashes, equal runs. Keeps the last lines for people. */

const KEPT_LINES = 200

export class Trace {
  #high = 0x811c9dc5
  #low = 0x01234567
  readonly #lines: string[] = []

  /** Adds a line to the hash. */
  note(atMs: number, line: string): void {
    this.#mix(line)
    // Bits of the instant, not its digits: they are exact, and faster.
    instant[0] = atMs
    this.#mixWord(words[0] as number)
    this.#mixWord(words[1] as number)
    this.#lines.push(`${atMs.toFixed(3)} ${line}`)
    if (this.#lines.length > 2 * KEPT_LINES) this.#lines.splice(0, KEPT_LINES)
  }

  /** Adds a text to the hash alone. */
  fold(text: string): void {
    this.#mix(text)
  }

  /** 16 hexadecimal digits. */
  hash(): string {
    return hex(this.#high) + hex(this.#low)
  }

  last(): readonly string[] {
    return this.#lines.slice(-KEPT_LINES)
  }

  #mix(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mixWord(text.charCodeAt(i))
  }

  /** FNV-1a, twice with different primes. */
  #mixWord(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x01000193)
    this.#low = Math.imul(this.#low ^ word ^ (this.#high >>> 16), 0x85ebca6b)
  }
}

const instant = new Float64Array(1)
const words = new Int32Array(instant.buffer)

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
