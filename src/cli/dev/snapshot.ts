/** What the page of `meridian dev` shows, as plain values: JSON that a browser reads. */

/** A cell, ready to be shown. */
export interface ShownCell {
  readonly text: string
  /** `cipher`: a region holds it encrypted; `none`: no value. */
  readonly kind: 'text' | 'number' | 'cipher' | 'none'
}

/** A table or view of a region. */
export interface ShownRows {
  readonly name: string
  readonly kind: 'strong' | 'pinned' | 'eventual' | 'view'
  /** Rows that exist now; of a view only those that are shown are counted. */
  readonly count: number
  readonly columns: readonly string[]
  /** The latest written first. */
  readonly rows: readonly (readonly ShownCell[])[]
}

/** How far the changes of one region have come in another. */
export interface ShownStream {
  readonly from: string
  readonly position: number
  /** Changes that the source has and this region does not. */
  readonly behind: number
  /** Why it stands, if it does. */
  readonly error: string | null
}

/** A change, as the region's change log has it. */
export interface ShownChange {
  readonly position: number
  readonly op: 'insert' | 'update' | 'delete'
  readonly table: string
  readonly tenant: string
  readonly key: string
  readonly cause: string
  /** The region or the log that made it. */
  readonly origin: string
  readonly atMs: number
}

/** A region. */
export interface ShownRegion {
  readonly name: string
  readonly url: string
  readonly isLeader: boolean
  readonly strongIndex: number
  readonly changePosition: number
  readonly viewPosition: number
  readonly streams: readonly ShownStream[]
  readonly rows: readonly ShownRows[]
  readonly changes: readonly ShownChange[]
}

/** All of it. */
export interface Snapshot {
  readonly schemaFile: string
  readonly schemaVersion: number
  readonly loadedAtMs: number
  /** What is wrong with the latest edit of the schema; the one before it is still served. */
  readonly schemaError: string | null
  /** One way, in ms, by `a/b`. */
  readonly delaysMs: Readonly<Record<string, number>>
  readonly regions: readonly ShownRegion[]
}
