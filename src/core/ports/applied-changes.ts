/**
 * Port: what was applied to a shared cache, told to processes that keep copies of its entries. Each
 * message arrives at most once, and any number may be lost, also without a word. What they say is
 * true of the store, whichever server says it (docs/spec/cache.md, L1).
 */

/** Changes that were applied to one part of a cache, or a piece of them. */
export interface AppliedChanges {
  /** Of the store. */
  readonly incarnation: string
  /** Drawn whenever the part begins with nothing. */
  readonly life: string
  readonly part: number
  /** All changes of the part's rows after `after` up to `position` are in the pieces together. */
  readonly after: number
  readonly position: number
  /** From 0. */
  readonly piece: number
  readonly isLast: boolean
  /** Identities (`AppliedFeed.idOf`) of the keys that changed. */
  readonly ids: readonly string[]
}

/** Told in the order of what happens. Nothing is told before `onUp`, or after `onDown`. */
export interface AppliedListener {
  /** Whatever is applied from now on is told. */
  onUp(): void
  /** Whatever was applied from some moment before on may not have been told. */
  onDown(): void
  onApplied(changes: AppliedChanges): void
  /** A part was dropped, or has begun with nothing. */
  onReset(): void
}

/** Something that is told until it is closed. */
export interface AppliedSubscription {
  /** Begins anew, elsewhere where there is a choice: messages seem to be missing. */
  renew(): void
  close(): void
}

export interface AppliedFeed {
  /** How many parts the cache has; each is told of by itself. */
  readonly parts: number
  partOf(key: string): number
  /** What a key is called in messages. */
  idOf(key: string): string
  subscribe(listener: AppliedListener): AppliedSubscription
}
