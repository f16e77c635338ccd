import { expect, test } from 'vitest'
import { CpuReader, cpuMs, parseProcessStat } from '../../../../benchmarks/measure/process-cpu.ts'

/** As Linux writes it: the name of a program may hold anything. */
function statLine(pid: number, userTicks: number, systemTicks: number, startTicks = 5000): string {
  return (
    `${pid} (ja) va) R 12 (x) R 1681 1681 29991 0 -1 4194304 100 7 0 0 ${userTicks} ` +
    `${systemTicks} 900 800 20 0 1 0 ${startTicks} 3133440 414 18446744073709551615 1 1\n`
  )
}

test('a line of /proc tells CPU time and start, whatever the program is called', () => {
  const line =
    '1685 (cat) R 1681 1681 29991 0 -1 4194304 100 0 0 0 123 45 6 7 20 0 1 0 193809 3133440 414 ' +
    '18446744073709551615 94777684090880 94777684110761 140736338381808 0 0 0 0 0 0 0 0 0 17 1 0 0'
  expect(parseProcessStat(line)).toEqual({ cpuMs: 1680, startTicks: 193_809 })
  expect(parseProcessStat(line.replace('(cat)', '(a) S 1 (b c)'))).toEqual({
    cpuMs: 1680,
    startTicks: 193_809,
  })
  for (const other of ['', '1 (cat)', '1 (cat) R 1 2 3', line.replace('123', 'x')]) {
    expect(parseProcessStat(other)).toBeUndefined()
  }
})

test('times of several processes are added, each once; one that is gone keeps what it had', () => {
  const lines = new Map([
    [1, statLine(1, 10, 5)],
    [2, statLine(2, 100, 0)],
  ])
  const reader = new CpuReader((pid) => {
    const line = lines.get(pid)
    if (line === undefined) throw new Error('ENOENT')
    return line
  })
  expect(reader.cpuMs([1, 2, 2])).toBe(1150)
  lines.delete(2)
  lines.set(1, statLine(1, 20, 5))
  expect(reader.cpuMs([1, 2])).toBe(1250)
  // Another process has its number now: it comes on top, so that differences stay right.
  lines.set(2, statLine(2, 7, 0, 9000))
  expect(reader.cpuMs([1, 2])).toBe(1320)
  lines.set(2, statLine(2, 8, 0, 9000))
  expect(reader.cpuMs([1, 2])).toBe(1330)
})

test('where nothing is known there is no number', () => {
  const reader = new CpuReader(() => {
    throw new Error('ENOENT')
  })
  expect(reader.cpuMs([1])).toBeNaN()
  expect(reader.cpuMs([])).toBeNaN()
})

test.runIf(process.platform === 'linux')('this process has used what Node says of it', () => {
  for (let i = 0, until = process.cpuUsage().user + 60_000; process.cpuUsage().user < until; i++);
  const { user, system } = process.cpuUsage()
  const foundMs = cpuMs([process.pid])
  const after = process.cpuUsage()
  // The kernel rounds both to ticks.
  expect(foundMs).toBeGreaterThanOrEqual((user + system) / 1000 - 25)
  expect(foundMs).toBeLessThanOrEqual((after.user + after.system) / 1000 + 25)
})
