/**
 * The regression gate, as CI runs it: the quick profile keeps the committed bounds, and it notices a
 * write path that has become slower.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PROFILES, type Profile } from '../../benchmarks/profiles/index.ts'
import { runBench, type BenchRun } from '../../benchmarks/run/run-bench.ts'
import { readThresholds } from '../../benchmarks/run/thresholds.ts'
import { bestLeader, readTopology } from '../../benchmarks/topologies/index.ts'
import { WriteQueue } from '../../src/drivers/store/write-queue.ts'

/** What is planted in the write path. */
const SLEEP_MS = 20
/** Enough for a median of each cell, which is what the bounds are on. */
const SHORT_MS = 10_000

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-bench-gate-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

async function quick(measuringMs?: number): Promise<BenchRun> {
  const thresholds = readThresholds()
  const topology = await readTopology(thresholds.topology)
  return runBench({
    profile: PROFILES['quick'] as Profile,
    ...{ topology, thresholds, measuringMs },
    ...{ topologyName: thresholds.topology, engines: thresholds.engines },
    ...{ leader: bestLeader(topology), seed: 1, directory: folder, command: 'meridian bench' },
    signal: new AbortController().signal,
    onEvent: () => undefined,
  })
}

test('the quick profile keeps every bound', async () => {
  const { breaches, ending, failedSteps, result } = await quick()
  expect(ending).toBe('complete')
  expect(failedSteps, result.notes.join('\n')).toEqual([])
  expect(breaches.map(({ text }) => text)).toEqual([])
})

test('it is red, and names the writes, where each commit takes 20 ms longer', async () => {
  const commit = Reflect.get(WriteQueue.prototype, 'write') as WriteQueue['write']
  vi.spyOn(WriteQueue.prototype, 'write').mockImplementation(async function (
    this: WriteQueue,
    member,
  ) {
    const results = await Reflect.apply(commit, this, [member])
    await sleep(SLEEP_MS)
    return results
  })
  const { breaches, result } = await quick(SHORT_MS)
  const broken = breaches
    .filter(({ problem }) => problem === 'broken')
    .map(({ bound: { mode, op, origin, home } }) => [mode, op, origin, home])
  const writes = readThresholds()
    .bounds.filter(({ op }) => op === 'write')
    .map(({ mode, op, origin, home }) => [mode, op, origin, home])
  expect(broken, result.notes.join('\n')).toEqual(expect.arrayContaining(writes))
  // Reads wait for no commit.
  expect(broken.filter(([, op]) => op?.startsWith('point-read'))).toEqual([])
})
