/**
 * What of a source's changes one region takes. The source filters for its destination; this is the
 * other half: a node that was taken over must not write, everywhere, what only others may.
 */
import type { Change } from '../../src/core/change.ts'

/**
 * Whether the region that sends a change may have made it. A tenant that nobody knows, or whose
 * rows the region may not hold, it cannot have written to.
 */
export type MaySend = (change: Change) => Promise<boolean>

/** The transactions that the source may send, whole; the rest is passed over like a skipped range. */
export async function takeFrom(
  maySend: MaySend,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const known = new Map<string, boolean>()
  const taken: Change[] = []
  for (let start = 0, end = 0; start < changes.length; start = end) {
    end = start + (changes[start]?.size ?? 1)
    const transaction = changes.slice(start, end)
    let isTaken = true
    for (const change of transaction) {
      const id = `${change.tableId} ${change.tenant}`
      const may = known.get(id) ?? (await maySend(change))
      known.set(id, may)
      isTaken &&= may
    }
    if (isTaken) taken.push(...transaction)
  }
  return taken
}
