/** Changes that wait until this region's clock comes near their stamps, in `_held`. */
import type { Change } from '../src/core/change.ts'
import { hlcMs } from '../src/core/hlc.ts'
import type { Statement } from '../src/core/ports/store.ts'
import { toHex, type SqlRow } from '../src/core/values.ts'
import { decodeChange, encodeChange } from '../src/protocol/change-codec.ts'
import type { Lookup } from './lane.ts'
import { allChanged } from './stored-rows.ts'

const RELEASE_CHANGES = 1000

/** Finds a row when the source has changes waiting. */
export function heldLookup(source: string): Lookup {
  return { sql: FIND, args: source }
}

const FIND = `SELECT j.key FROM json_each(?) j
  WHERE EXISTS (SELECT 1 FROM _held h WHERE h.source = j.value)`

/** The changes that wait, each source's in order. */
export const READ_HELD: Statement = {
  sql: 'SELECT source, hlc, change FROM _held ORDER BY source, seq LIMIT ?',
  args: [RELEASE_CHANGES],
}

/** Puts changes aside. */
export function holdRows(changes: readonly Change[]): Statement[] {
  if (changes.length === 0) return []
  const rows = changes.map((change) => [
    change.origin.source,
    change.origin.seq,
    change.hlc,
    toHex(encodeChange(change)),
  ])
  return [
    {
      sql: `INSERT INTO _held (source, seq, hlc, change)
        SELECT value->>0, value->>1, value->>2, unhex(value->>3) FROM json_each(?) WHERE true
        ON CONFLICT DO NOTHING`,
      args: [JSON.stringify(rows)],
    },
  ]
}

/** Of a `READ_HELD`: each source's changes up to the first that is later than `latestMs`. */
export function dueChanges(rows: readonly SqlRow[], latestMs: number): Change[] {
  const waiting = new Set<string>()
  const due: Change[] = []
  for (const [source, hlc, change] of rows) {
    if (hlcMs(hlc as string) > latestMs) waiting.add(source as string)
    if (!waiting.has(source as string)) due.push(decodeChange(change as Uint8Array))
  }
  return due
}

/** Takes changes out that are applied in the same write; fails when another write took one. */
export function releaseRows(changes: readonly Change[]): Statement[] {
  const ids = changes.map(({ origin }) => [origin.source, origin.seq])
  return [
    {
      sql: `DELETE FROM _held WHERE (source, seq) IN (
        SELECT value->>0, value->>1 FROM json_each(?))`,
      args: [JSON.stringify(ids)],
    },
    allChanged(ids.length),
  ]
}
