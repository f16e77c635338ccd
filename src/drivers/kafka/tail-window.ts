/** The last chunks of a change log in memory, without a gap: what readers at the tail want. */
import type { LogChunk } from './log-record.ts'

/** What is left when the bound is exceeded. */
const KEPT_SHARE = 0.75

export class TailWindow {
  readonly #maxBytes: number
  #chunks: LogChunk[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Adds the chunk that follows; one that does not begins a new window. */
  add(chunk: LogChunk): void {
    const last = this.#chunks.at(-1)?.last
    if (last !== undefined && last !== chunk.first - 1) this.clear()
    this.#chunks.push(chunk)
    this.#bytes += chunk.bytes
    if (this.#bytes > this.#maxBytes) this.#shrink()
  }

  /** Drops everything unless the window reaches exactly to `end`. */
  keepOnly(end: number): void {
    if (this.#chunks.at(-1)?.last !== end) this.clear()
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
  }

  /** Chunks from the one that holds `position` on; none where it is not in the window. */
  from(position: number): readonly LogChunk[] {
    const index = chunkAt(this.#chunks, position)
    return index === undefined ? [] : this.#chunks.slice(index)
  }

  /** A part at once: dropping one chunk at every append would move all the others each time. */
  #shrink(): void {
    let dropped = 0
    while (this.#bytes > this.#maxBytes * KEPT_SHARE && dropped < this.#chunks.length) {
      this.#bytes -= this.#chunks[dropped]?.bytes ?? 0
      dropped++
    }
    this.#chunks.splice(0, dropped)
  }
}

/** The index of the first chunk that ends at or behind `position`, if it holds that. */
export function chunkAt(chunks: readonly LogChunk[], position: number): number | undefined {
  let low = 0
  let high = chunks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((chunks[middle]?.last ?? 0) < position) low = middle + 1
    else high = middle
  }
  const found = chunks[low]
  return found !== undefined && found.first <= position ? low : undefined
}
