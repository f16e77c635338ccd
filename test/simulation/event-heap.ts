/** Events by their instants; of those of one instant, the one that was scheduled first. */

/** What orders events. */
export interface Timed {
  readonly atMs: number
  /** Rises with every event that is scheduled. */
  readonly order: number
}

/** A binary heap. */
export class EventHeap<E extends Timed> {
  readonly #heap: E[] = []

  /** The next event; it stays. */
  first(): E | undefined {
    return this.#heap[0]
  }

  push(event: E): void {
    const heap = this.#heap
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent] as E
      if (isBefore(above, event)) break
      heap[place] = above
      place = parent
    }
    heap[place] = event
  }

  /** Takes the next event away. */
  removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, heap[child] as E)) child += 1
      const below = heap[child] as E
      if (isBefore(last, below)) break
      heap[place] = below
      place = child
    }
    heap[place] = last
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
