/** `meridian cluster`: everything starts, is shown, works together, and ends without a trace. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type Database } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import type { PartHealth } from '../../../src/cluster/health.ts'
import { schema } from '../../e2e/programs/loader-schema.ts'
import { consoleConsume } from '../support/console-consumer.ts'
import { startProgram, type RunningProgram } from '../../support/program.ts'
import { until } from '../../support/until.ts'

const CLI = 'src/cli/main.ts'
const SCHEMA_MODULE = 'test/e2e/programs/loader-schema.ts'
const REGIONS = ['us-east', 'eu-west', 'ap-south']
const FULL = ['etcd', 'kafka', 'redis', 'store', 'node']
/** Fifteen processes start; the machine may be busy with other tests. */
const TIMEOUT_MS = 600_000
const LONG_MS = 120_000

interface Event {
  readonly event: string
  readonly name?: string
  readonly state?: string
  readonly lastLines?: readonly string[]
}

interface ReadyEvent extends Event {
  readonly directory: string
  readonly urls: Readonly<Record<string, readonly string[]>>
  readonly token: string
  readonly health: readonly PartHealth[]
}

interface StartedCluster {
  readonly program: RunningProgram
  readonly ready: ReadyEvent
}

function startCluster(...args: readonly string[]): RunningProgram {
  const all = ['cluster', '--json', '--until-stdin-ends', '--schema', SCHEMA_MODULE, ...args]
  return startProgram(CLI, all, { hasInput: true })
}

async function readyCluster(...args: readonly string[]): Promise<StartedCluster> {
  const program = startCluster(...args)
  await program.prints('"event":"ready"')
  await until(() => {
    expect(eventsOf(program).some(({ event }) => event === 'ready')).toBe(true)
  })
  const ready = eventsOf(program).find(({ event }) => event === 'ready') as ReadyEvent
  return { program, ready }
}

/** The events so far; the last line may be half there. */
function eventsOf(program: RunningProgram): readonly Event[] {
  const lines = program.stdout().split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Event)
}

async function clientIn(
  region: string,
  { urls, token }: ReadyEvent,
): Promise<Database<typeof schema>> {
  const deployment = httpDeployment({ nodes: urls, token, deadlineMs: LONG_MS })
  const db = await connect({ schema, region, deployment })
  onTestFinished(() => db.close())
  return db
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function expectAllGone(health: readonly PartHealth[]): Promise<void> {
  await until(() => {
    for (const { name, pid } of health) expect(isAlive(pid), name).toBe(false)
  }, LONG_MS)
}

function kindsInOrder(events: readonly Event[], state: string): readonly string[] {
  const kinds = events
    .filter((event) => event.event === 'part' && event.state === state)
    .map(({ name }) => name?.split(' ')[0] ?? '')
  return kinds.filter((kind, i) => kind !== kinds[i - 1])
}

describe('a full cluster', () => {
  test(
    'is healthy, carries writes between regions, outlives a part, and ends in order',
    async () => {
      const { program, ready } = await readyCluster()
      const { health } = ready
      expect(health.map(({ name }) => name).sort()).toEqual(
        REGIONS.flatMap((region) => FULL.map((kind) => `${kind} ${region}`)).sort(),
      )
      for (const part of health) {
        expect(part, part.problem).toMatchObject({
          healthy: true,
          version: expect.stringMatching(/\d/),
        })
        expect(isAlive(part.pid), part.name).toBe(true)
      }

      const us = await clientIn('us-east', ready)
      const ap = await clientIn('ap-south', ready)
      await us.totals.insert({ id: 'all', batches: 3 })
      expect(await ap.totals.get('all')).toMatchObject({ batches: 3 })
      await us.tenants.create({ id: 'acme', home: 'us-east' })
      await us.tenant('acme').visits.insert({ id: 1, batch: 1, times: 1 })
      await until(async () => {
        expect(await ap.tenant('acme').visits.get(1)).toMatchObject({ batch: 1 })
      }, LONG_MS)

      const kafka = health.find(({ name }) => name === 'kafka us-east')?.address ?? ''
      // The change, and in each of four partitions that all changes up to it were told.
      const published = await consoleConsume(kafka, 'meridian.us-east.totals', 5)
      const values = published.map(({ value }): unknown => JSON.parse(value ?? ''))
      expect(values).toContainEqual(
        expect.objectContaining({ after: { id: 'all', batches: 3 }, op: 'insert' }),
      )

      const redis = health.find(({ name }) => name === 'redis ap-south')
      process.kill(redis?.pid ?? 0, 'SIGKILL')
      await until(() => {
        expect(eventsOf(program)).toContainEqual(
          expect.objectContaining({ event: 'ended', name: 'redis ap-south' }),
        )
      }, LONG_MS)
      expect(await ap.totals.get('all')).toMatchObject({ batches: 3 })

      program.endInput()
      const { code, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      expect(kindsInOrder(eventsOf(program), 'stopped')).toEqual([
        'node',
        'store',
        'kafka',
        'redis',
        'etcd',
      ])
      await expectAllGone(health)
      expect(existsSync(ready.directory)).toBe(false)
    },
    TIMEOUT_MS,
  )

  test(
    'of two nodes in its region has one that holds it and one that passes on',
    async () => {
      const { program, ready } = await readyCluster('--nodes', '2', '--regions', 'here')
      expect(ready.urls['here']).toHaveLength(2)
      const db = await clientIn('here', ready)
      await db.totals.insert({ id: 'all', batches: 1 })
      const [, second = ''] = ready.urls['here'] ?? []
      const other = await clientIn('here', { ...ready, urls: { here: [second] } })
      expect(await other.totals.get('all')).toMatchObject({ batches: 1 })
      program.endInput()
      expect((await program.ended).code).toBe(0)
      await expectAllGone(ready.health)
    },
    TIMEOUT_MS,
  )
})

describe('a lean cluster', () => {
  test(
    'goes on in its folder with what it had, and leaves nothing when it is killed',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'meridian-cluster-test-'))
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
      const first = await readyCluster('--lean', '--directory', directory)
      expect(first.ready.health.map(({ kind }) => kind).sort()).toEqual(
        REGIONS.flatMap(() => ['etcd', 'node']).sort(),
      )
      const us = await clientIn('us-east', first.ready)
      await us.totals.insert({ id: 'kept', batches: 7 })
      first.program.kill('SIGKILL')
      await expectAllGone(first.ready.health)

      const second = await readyCluster('--lean', '--directory', directory)
      expect(second.ready.urls).toEqual(first.ready.urls)
      const ap = await clientIn('ap-south', second.ready)
      expect(await ap.totals.get('kept')).toMatchObject({ batches: 7 })
      second.program.kill('SIGINT')
      expect((await second.program.ended).code).toBe(0)
      await expectAllGone(second.ready.health)
    },
    TIMEOUT_MS,
  )

  test(
    'that is interrupted while it starts ends, and leaves nothing',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'meridian-cluster-test-'))
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
      const program = startCluster('--lean', '--directory', directory)
      await program.prints('"event":"part","name":"node')
      program.kill('SIGINT')
      const { code, stderr } = await program.ended
      expect(code, stderr).toBe(130)
      expect(stderr).toContain('CANCELLED')
      expect(kindsInOrder(eventsOf(program), 'stopped').at(-1)).toBe('etcd')
    },
    TIMEOUT_MS,
  )
})

test('a program that is missing is named before anything starts', async () => {
  const program = startProgram(CLI, ['cluster', '--lean', '--schema', SCHEMA_MODULE], {
    environment: { MERIDIAN_ETCD: '/nowhere/etcd' },
  })
  const { code, stderr } = await program.ended
  expect(code).toBe(2)
  expect(stderr).toContain('CONFIG_INVALID')
  expect(stderr).toContain('MERIDIAN_ETCD')
})
