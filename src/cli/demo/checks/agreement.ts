/** Checks that regions hold the same: eventual rows where they may be, strong rows everywhere. */
import { forEachConcurrently } from '../../../../benchmarks/concurrency.ts'
import { count, refute, type Check, type CheckContext } from './check.ts'

const NEVER = new AbortController().signal
const TENANTS_AT_ONCE = 8
const ALL_ROWS = 10_000

const eventualRows: Check = {
  name: 'all regions agree on every eventual row',
  async run(context) {
    const { session, dataset } = context
    let rows = 0
    let increments = 0
    await forEachConcurrently(dataset.countries, TENANTS_AT_ONCE, NEVER, async ({ code }) => {
      const [first, ...others] = await Promise.all(
        session.regions.map((region) => notesOf(context, region, code)),
      )
      const expected = first ?? []
      for (const [i, found] of others.entries()) {
        const same = JSON.stringify(found) === JSON.stringify(expected)
        if (!same) refute(`${session.regions[i + 1]} has other notes of ${code}`)
      }
      rows += expected.length
      for (const note of expected) increments += note.rating
    })
    if (rows === 0) refute('there are no rows')
    return `${count(rows, 'row')} with counters (sum ${increments.toLocaleString('en')}), sets, texts`
  },
}

const strongState: Check = {
  name: 'all regions agree on strong state',
  async run({ session }) {
    const states = await Promise.all(
      session.regions.map(async (region) => {
        const { rows } = await session
          .db(region)
          .countries.list({ limit: ALL_ROWS, consistency: 'strong' })
        return rows
      }),
    )
    const [first, ...others] = states.map((rows) => JSON.stringify(rows))
    if (others.some((state) => state !== first)) refute('rows of `countries` differ')
    const indexes = (await session.running.progress()).map((node) => node.strongIndex)
    return `${count(states[0]?.length ?? 0, 'row')}, log applied up to ${indexes.join(', ')}`
  },
}

interface Note {
  readonly rating: number
}

async function notesOf(
  { session }: CheckContext,
  region: string,
  tenant: string,
): Promise<readonly Note[]> {
  const { rows } = await session.db(region).tenant(tenant).cityNotes.list({ limit: ALL_ROWS })
  return rows
}

export const AGREEMENT_CHECKS: readonly Check[] = [eventualRows, strongState]
