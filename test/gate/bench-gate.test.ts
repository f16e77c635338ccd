/**
 * The regression gate, as CI runs it: the quick profile keeps the committed bounds, and it notices a
 * write path that has become slower.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PROFILES, type Profile } from '../../benchmarks/profiles/index.ts'
import { judgeGate } from '../../benchmarks/run/gate.ts'
import type { BenchRunOptions } from '../../benchmarks/run/options.ts'
import { runBench, type BenchRun } from '../../benchmarks/run/run-bench.ts'
import { readThresholds, type Bound } from '../../benchmarks/run/thresholds.ts'
import { bestLeader, readTopology } from '../../benchmarks/topologies/index.ts'
import { WriteQueue } from '../../src/drivers/store/write-queue.ts'

/** What is planted in the write path. */
const SLEEP_MS = 20
/** What else runs on this machine delays every call: for a while it may drown what is planted. */
const ATTEMPTS = 5

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-bench-gate-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const thresholds = readThresholds()

async function quick(options: Partial<BenchRunOptions> = {}): Promise<BenchRun> {
  const topology = await readTopology(thresholds.topology)
  return runBench({
    profile: PROFILES['quick'] as Profile,
    topology,
    ...{ topologyName: thresholds.topology, engines: thresholds.engines },
    ...{ leader: bestLeader(topology), seed: 1, directory: folder, command: 'meridian bench' },
    signal: new AbortController().signal,
    onEvent: () => undefined,
    ...options,
  })
}

test('the quick profile keeps every bound', async () => {
  const { breaches, ending, failedSteps, result } = await quick({ thresholds })
  expect(ending).toBe('complete')
  expect(failedSteps, result.notes.join('\n')).toEqual([])
  expect(breaches.map(({ text }) => text)).toEqual([])
})

test('it is red, and names the writes, where each commit takes 20 ms longer', async () => {
  const commit = Reflect.get<WriteQueue, 'write'>(WriteQueue.prototype, 'write')
  vi.spyOn(WriteQueue.prototype, 'write').mockImplementation(async function (
    this: WriteQueue,
    member,
  ) {
    const results = await Reflect.apply(commit, this, [member])
    await sleep(SLEEP_MS)
    return results
  })
  const bounds = thresholds.bounds.filter(({ op }) => op === 'write')
  const broken = new Map<Bound, string>()
  const isWanted = (step: string): boolean =>
    bounds.some((bound) => !broken.has(bound) && step === `${bound.mode} writes`)
  for (let attempt = 0; attempt < ATTEMPTS && broken.size < bounds.length; attempt++) {
    const { result } = await quick({
      // The raw engine is measured beside eventual writes.
      only: (step) => step === 'eventual writes' || isWanted(step),
    })
    for (const { bound, problem, text } of judgeGate(result, { ...thresholds, bounds })) {
      if (problem === 'broken') broken.set(bound, text)
    }
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
  }
  const held = bounds.filter((bound) => !broken.has(bound))
  expect(held.map(({ mode, origin }) => `${mode} write from ${origin}`)).toEqual([])
  for (const [{ mode, origin }, text] of broken) {
    expect(text).toContain(`${mode} write, ${origin}`)
    expect(text).toContain('exceeded by')
  }
})
