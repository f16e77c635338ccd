/**
 * Clients in three regions of the real engine, with links that are cut, logs that are late and
 * processes that are replaced: what they saw is linearizable, what is emitted is the log's order. And
 * the same without one of the waits: that is seen.
 */
import { expect, it } from 'vitest'
import { seededRandom, type SeededRandom } from '../../../../../src/core/seeded-random.ts'
import type { LeaseFaults } from '../../../../../replication/strong/leases/lease-faults.ts'
import type { HistoryEvent } from '../../../../../replication/verify/history.ts'
import { checkRegisters } from '../../../../../replication/verify/linearizable.ts'
import { LocalRegion, MemoryMesh } from '../../../../support/local-reads.ts'
import { ManualRuntime } from '../../../../support/manual-runtime.ts'
import { MemoryCommitLog } from '../../../../support/memory-commit-log.ts'

const REGIONS = ['us', 'eu', 'ap'] as const
const SETTINGS = { durationMs: 300, driftRate: 0.001, usesHints: true }
const RUN_MS = 1200

interface Break {
  readonly faults?: LeaseFaults
  readonly usesHints?: boolean
  /** Takes a wait out of a region. */
  readonly takeOut?: (region: LocalRegion) => void
}

class Run {
  readonly runtime = new ManualRuntime()
  readonly random: SeededRandom
  readonly log: LateLog
  readonly mesh: MemoryMesh
  readonly regions = new Map<string, LocalRegion>()
  readonly events: HistoryEvent[] = []
  readonly #break: Break
  isOver = false
  written = 0

  constructor(seed: number, broken: Break) {
    this.random = seededRandom(seed)
    this.log = new LateLog(this.runtime, () => 2 + this.random.below(40))
    this.mesh = new MemoryMesh(this.runtime, () => 1 + this.random.below(40))
    this.#break = broken
  }

  async open(name: string, from?: LocalRegion): Promise<void> {
    const { log, mesh, runtime } = this
    const region = await LocalRegion.open({
      ...{ region: name, log, mesh, runtime },
      settings: { ...SETTINGS, usesHints: this.#break.usesHints ?? true },
      ...(from === undefined ? {} : { store: from.store }),
      ...(this.#break.faults === undefined ? {} : { faults: this.#break.faults }),
    })
    this.#break.takeOut?.(region)
    this.regions.set(name, region)
  }

  /** A process ends without a word, and another one goes on with its store. */
  async replace(name: string): Promise<void> {
    const old = this.regions.get(name) as LocalRegion
    await this.end(old)
    await this.open(name, old)
  }

  async end({ engine }: LocalRegion): Promise<void> {
    const ended = engine.leases?.end().then(() => engine.close())
    // What is on its way is waited for.
    await this.runtime.advance(60)
    await ended
  }

  async client(process: number, name: string): Promise<void> {
    const { random, runtime } = this
    while (!this.isOver) {
      await new Promise<void>((resolve) => runtime.timers.after(1 + random.below(30), resolve))
      const key = random.pick(['a', 'b'])
      const region = this.regions.get(name) as LocalRegion
      if (random.fraction() < 0.3) {
        const value = ++this.written
        this.#note(process, 'invoke', 'write', key, value)
        const type = await region.write(key, value, 2_000).then(
          () => 'ok' as const,
          () => 'info' as const,
        )
        this.#note(process, type, 'write', key, value)
        // An operation whose fate is not known stays open: its client makes no others.
        if (type === 'info') return
      } else {
        this.#note(process, 'invoke', 'read', key, null)
        try {
          const asksLog = random.fraction() < 0.3
          const local = asksLog ? undefined : await region.readLocally(key)
          const value = local === undefined ? await region.readByLog(key) : local.value
          this.#note(process, 'ok', 'read', key, value)
        } catch {
          this.#note(process, 'fail', 'read', key, null)
        }
      }
    }
  }

  #note(process: number, type: HistoryEvent['type'], f: string, key: string, value: unknown): void {
    this.events.push({ process, type, f, key, value, timeNs: this.events.length })
  }
}

/** A log whose entries reach each region at a time of their own. */
class LateLog extends MemoryCommitLog {
  readonly #runtime: ManualRuntime
  readonly #delayMs: () => number

  constructor(runtime: ManualRuntime, delayMs: () => number) {
    super((entries) => entries)
    this.#runtime = runtime
    this.#delayMs = delayMs
  }

  override tail(...[group, from, handlers]: Parameters<MemoryCommitLog['tail']>) {
    return super.tail(group, from, {
      ...handlers,
      onEntries: async (entries) => {
        await new Promise<void>((resolve) => this.#runtime.timers.after(this.#delayMs(), resolve))
        await handlers.onEntries(entries)
      },
    })
  }
}

/** What is wrong with a run, in a word; undefined: nothing. */
async function violation(seed: number, broken: Break = {}): Promise<string | undefined> {
  const run = new Run(seed, broken)
  const { random, runtime, mesh } = run
  for (const name of REGIONS) await run.open(name)
  await runtime.advance(150)
  for (const [i, name] of [...REGIONS, ...REGIONS].entries()) void run.client(i, name)
  for (let at = 0; at < RUN_MS; at += 100) {
    const name = random.pick(REGIONS)
    const what = random.fraction()
    if (what < 0.25) mesh.cut.add(name)
    else if (what < 0.5) mesh.cut.clear()
    else if (what < 0.6) await run.replace(name)
    await runtime.advance(100)
  }
  run.isOver = true
  mesh.cut.clear()
  await runtime.advance(2_500)
  const emitted = await Promise.all([...run.regions.values()].map((region) => region.emitted()))
  for (const region of run.regions.values()) {
    await run.end(region)
    expect(region.failures).toEqual([])
  }
  const { anomalies, checked } = checkRegisters(run.events)
  expect(checked).toBeGreaterThan(40)
  if (anomalies.length > 0) return anomalies[0]?.kind
  const texts = emitted.map((rows) => JSON.stringify(rows))
  return texts.every((text) => text === texts[0]) ? undefined : 'emitted otherwise'
}

/** `SEEDS=100` runs so many. */
const SEEDS = Array.from({ length: Number(process.env['SEEDS'] ?? 4) }, (_, i) => i + 1)

it.each(SEEDS)('what clients see is linearizable (seed %i)', async (seed) => {
  expect(await violation(seed)).toBeUndefined()
})

const MUTANTS: Readonly<Record<string, Break>> = {
  'answers without stability': {
    takeOut: ({ engine: { leases } }) => {
      if (leases !== undefined) leases.whenStable = (_index, deliver) => deliver()
    },
  },
  'reads by the log without stability': {
    usesHints: false,
    takeOut: ({ engine: { leases } }) => {
      if (leases !== undefined) leases.settleRead = () => Promise.resolve()
    },
  },
  'local reads without stability': { faults: { skipStableWait: true } },
  'local reads through marks': { faults: { ignoreMarks: true } },
}

it.each(Object.entries(MUTANTS))('is seen: %s', async (_name, broken) => {
  for (let seed = 1; seed <= 12; seed++) {
    if ((await violation(seed, broken)) === 'not-linearizable') return
  }
  expect.unreachable('no seed sees it')
})
