import { execFile } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test, type TestContext } from 'vitest'
import { startKafka } from '../../../src/cluster/engines/kafka.ts'
import type { ChangeLogRecord } from '../../../src/core/ports/change-log.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { until } from '../../support/until.ts'
import { freshTopic, openEngine } from './support/open-engine.ts'

const run = promisify(execFile)
const DISK_MB = 48
const WAIT_MS = 120_000
const CHANGE_BYTES = 64 * 1024
const BATCH = 8

/** A disk of its own for the broker; the test is skipped where that is not allowed. */
async function mountDisk(context: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'kafka-disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder])
  } catch (error) {
    rmdirSync(folder)
    context.skip(`a full disk needs the right to mount one: ${String(error)}`)
  }
  onTestFinished(async () => {
    await run('umount', [folder])
    rmdirSync(folder)
  })
  return folder
}

const large = (from: number, count: number): ChangeLogRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    position: from + i,
    payload: new Uint8Array(CHANGE_BYTES).fill(from + i),
  }))

test('a full disk fails appends by name, keeps what was acknowledged, and heals', async (context) => {
  const directory = await mountDisk(context)
  const broker = await startKafka({
    directory,
    // Few and small files besides the log itself.
    properties: { 'log.index.size.max.bytes': '4096', 'metadata.log.segment.bytes': '8388608' },
  })
  onTestFinished(() => broker.close())
  const engine = openEngine(broker.address)
  const topic = freshTopic()
  const log = engine.changeLog({ topic, replicationFactor: 1 })
  let end = await log.end()
  const fill = async (): Promise<void> => {
    for (;;) {
      await log.append(large(end + 1, BATCH))
      end += BATCH
    }
  }
  const failure = await failureOf(fill())
  expect(end).toBeGreaterThan(0)
  expect(failure).toMatchObject({ retry: 'safe' })
  expect((failure as { code: string }).code).toMatch(/^LOG_(FULL|UNAVAILABLE)$/)
  expect((failure as Error).message).toContain(broker.address)
  expect(engine.status().problem).toContain(broker.address)
  // A broker whose only disk fails ends itself; then there is more room, and it is started again.
  await run('mount', ['-o', `remount,size=${4 * DISK_MB}m`, directory])
  await broker.kill()
  await broker.restart()
  await until(async () => {
    const now = await log.end()
    expect(now).toBeGreaterThanOrEqual(end)
    await log.append(large(now + 1, 1))
  }, WAIT_MS)
  const reopened = openEngine(broker.address).changeLog({ topic, replicationFactor: 1 })
  for (let position = 0; position < end;) {
    const read = await reopened.read(position, 32)
    expect(read.length).toBeGreaterThan(0)
    expect(read.map((record) => record.position)).toEqual(read.map((_, i) => position + 1 + i))
    expect(read.every(({ position: at, payload }) => payload[0] === at % 256)).toBe(true)
    position += read.length
  }
})
