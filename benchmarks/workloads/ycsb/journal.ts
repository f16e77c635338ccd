/** Which updates were made of which cell, so that what a cell holds in the end can be judged. */

/** An update under way or done. */
export interface JournaledUpdate {
  readonly stamp: number
  /** Places in the order of all beginnings and acknowledgements. */
  readonly begun: number
  /** `null` while it is not acknowledged: under way, failed or in doubt. */
  acknowledged: number | null
}

/** The updates of a step. Stamp 0 is what was loaded. */
export class UpdateJournal {
  readonly #updates = new Map<string, JournaledUpdate[]>()
  #events = 0
  #stamps = 0

  /** A new update of a cell. */
  begin(cell: string): JournaledUpdate {
    const update: JournaledUpdate = {
      stamp: ++this.#stamps,
      begun: ++this.#events,
      acknowledged: null,
    }
    const updates = this.#updates.get(cell)
    if (updates === undefined) this.#updates.set(cell, [update])
    else updates.push(update)
    return update
  }

  acknowledge(update: JournaledUpdate): void {
    update.acknowledged = ++this.#events
  }

  /**
   * What is wrong with a cell that holds `stamp` in the end, or `undefined`. In a mode with an order
   * (`isOrdered`) an update that was acknowledged before another began cannot be the last one.
   */
  problem(cell: string, stamp: number, isOrdered: boolean): string | undefined {
    const updates = this.#updates.get(cell) ?? []
    const held = updates.find((update) => update.stamp === stamp)
    if (held === undefined && stamp !== 0) return `holds a value that nobody wrote to it`
    const heldUntil = held === undefined ? 0 : (held.acknowledged ?? Infinity)
    const lost = updates.find(
      ({ begun, acknowledged }) =>
        acknowledged !== null && begun > heldUntil && (isOrdered || held === undefined),
    )
    return lost === undefined ? undefined : `has lost an acknowledged update`
  }
}
