import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../src/client/index.ts'
import { openEmbedded } from '../../src/node/embedded.ts'
import { startProgram } from '../support/program.ts'
import {
  BATCH_ROWS,
  BATCHES,
  rowsOf,
  schema,
  TENANT,
  type LoaderDatabase,
} from './programs/loader-schema.ts'

const LOADER = 'test/e2e/programs/loader.ts'
const ALL_ROWS = 10_000
const MODES = ['pinned', 'strong', 'eventual'] as const
type Mode = (typeof MODES)[number]

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'meridian-killed-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** What a region's tables hold: the batch of each row, and the numbers that count batches. */
interface Held {
  readonly batches: Readonly<Record<Mode, readonly number[]>>
  readonly counted: { readonly pinned: number; readonly strong: number }
  readonly times: readonly number[]
  readonly view: { readonly orders: number; readonly amount: number } | undefined
}

async function held(db: LoaderDatabase): Promise<Held> {
  const acme = db.tenant(TENANT)
  const [orders, plans, visits] = await Promise.all([
    acme.orders.list({ limit: ALL_ROWS }),
    db.plans.list({ limit: ALL_ROWS, consistency: 'strong' }),
    acme.visits.list({ limit: ALL_ROWS }),
  ])
  const sum = await acme.sums.get('all')
  const total = await db.totals.get('all')
  const [view] = await acme.view('amounts').list()
  return {
    batches: {
      pinned: orders.rows.map(({ batch }) => batch),
      strong: plans.rows.map(({ batch }) => batch),
      eventual: visits.rows.map(({ batch }) => batch),
    },
    counted: { pinned: sum?.batches ?? -1, strong: total?.batches ?? -1 },
    times: visits.rows.map(({ times }) => times),
    view,
  }
}

/** Opens what the killed process left, lets it settle, and looks from every region. */
async function inspect(): Promise<readonly Held[]> {
  const deployment = await openEmbedded({ schema, directory, delayScale: 0 })
  try {
    await deployment.settle()
    const found: Held[] = []
    for (const region of deployment.config.regions) {
      const db = await connect({ schema, region, deployment })
      found.push(await held(db))
      await db.close()
    }
    return found
  } finally {
    await deployment.close()
  }
}

function acknowledged(stdout: string, mode: Mode): readonly number[] {
  return [...stdout.matchAll(new RegExp(`^${mode} (\\d+)$`, 'gm'))].map(([, n]) => Number(n))
}

function expectConsistent(region: Held): void {
  for (const mode of MODES) {
    const rows = new Map<number, number>()
    for (const batch of region.batches[mode]) rows.set(batch, (rows.get(batch) ?? 0) + 1)
    const partial = [...rows].filter(([, count]) => count !== BATCH_ROWS)
    expect(partial, `${mode}: batches that are there in part`).toEqual([])
    if (mode !== 'eventual') expect(region.counted[mode]).toBe(rows.size)
  }
  expect(new Set(region.times)).toEqual(new Set(region.times.length === 0 ? [] : [1]))
  const orders = region.batches.pinned.length
  const amount = [...new Set(region.batches.pinned)]
    .flatMap(rowsOf)
    .reduce((sum, row) => sum + row.amount, 0)
  if (orders > 0) expect(region.view).toEqual({ orders, amount })
}

test('a load that is killed again and again loses no acknowledged row and doubles none', async () => {
  let output = ''
  for (const until of [10, 30, 55]) {
    const loader = startProgram(LOADER, [directory])
    await loader.prints(`pinned ${until}\n`)
    loader.kill('SIGKILL')
    const { code, stdout } = await loader.ended
    expect(code).toBeNull()
    output += stdout

    const regions = await inspect()
    for (const region of regions) {
      expectConsistent(region)
      for (const mode of MODES) {
        const there = new Set(region.batches[mode])
        const lost = acknowledged(output, mode).filter((batch) => !there.has(batch))
        expect(lost, `${mode}: acknowledged batches that are lost`).toEqual([])
      }
    }
  }

  const { code, stderr } = await startProgram(LOADER, [directory]).ended
  expect(code, stderr).toBe(0)
  for (const region of await inspect()) {
    expectConsistent(region)
    for (const mode of MODES) expect(region.batches[mode]).toHaveLength(BATCHES * BATCH_ROWS)
    expect(region.counted).toEqual({ pinned: BATCHES, strong: BATCHES })
  }
})

test('a second process on the same directory is refused, and the first goes on', async () => {
  const first = startProgram(LOADER, [directory])
  await first.prints('ready\n')
  await expect(openEmbedded({ schema, directory })).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  const { code, stderr } = await first.ended
  expect(code, stderr).toBe(0)
})
