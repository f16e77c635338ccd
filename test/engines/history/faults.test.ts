/** Faults that the machine must be able to have: clocks that jump, disks without room. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { Clocks } from '../../../src/cli/history/faults/clocks.ts'
import { SmallDisks } from '../../../src/cli/history/faults/small-disks.ts'
import { canChangeHosts } from '../../../src/cluster/member-distances.ts'
import { isErrorCode } from '../../../src/client/index.ts'
import { failureOf } from '../../conformance/support/failure.ts'

const HOUR_MS = 3_600_000
/** A machine that stands still for so long makes the test fail. */
const NEAR_MS = 60_000
/** Tells its wall clock and its monotonic clock, again and again. */
const TELLS = 'setInterval(() => console.log(Date.now(), performance.now()), 50)'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-faults-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a clock jumps while the process runs; timers and its monotonic clock go on', async (context) => {
  let clocks: Clocks
  try {
    clocks = await Clocks.open(temporaryFolder(), ['a'])
  } catch (error) {
    if (isErrorCode(error, 'CONFIG_INVALID')) return context.skip('libfaketime is missing')
    throw error
  }
  const child = spawn(process.execPath, ['-e', TELLS], {
    env: { ...process.env, ...clocks.environment('a') },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const targets = [0, HOUR_MS, -HOUR_MS, 0]
  let lastMs = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [wallMs = 0, monotonicMs = 0] = line.split(' ').map(Number)
    expect(monotonicMs).toBeGreaterThan(lastMs)
    expect(monotonicMs).toBeLessThan(HOUR_MS)
    lastMs = monotonicMs
    const [target = 0] = targets
    if (Math.abs(wallMs - Date.now() - target) > NEAR_MS) continue
    targets.shift()
    if (targets.length === 0) return undefined
    await clocks.set('a', targets[0] ?? 0)
  }
  return expect.unreachable('the process ended before its clock had jumped')
})

test.runIf(canChangeHosts())('a disk is filled to the last byte, and has room again', async () => {
  const folder = join(temporaryFolder(), 'a')
  const disks = await SmallDisks.open(new Map([['a', folder]]))
  try {
    const file = join(folder, 'rows')
    await writeFile(file, 'x')
    expect(await disks.fill('a')).toBeGreaterThan(0)
    expect(await failureOf(writeFile(join(folder, 'more'), 'x'.repeat(10_000)))).toMatchObject({
      code: 'ENOSPC',
    })
    await disks.clear('a')
    await writeFile(join(folder, 'more'), 'x'.repeat(10_000))
    expect(await failureOf(disks.fill('b'))).toMatchObject({ code: 'REGION_UNKNOWN' })
  } finally {
    await disks.close()
  }
})
