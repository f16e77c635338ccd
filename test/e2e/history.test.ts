/** `meridian history` on embedded regions: it records, judges, checks files, and ends in order. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { encodeHistory, parseHistory, type HistoryEvent } from '../../replication/verify/history.ts'
import { startProgram } from '../support/program.ts'
import { runMeridian, type Ran } from '../support/run-command.ts'

const CLI = 'src/cli/main.ts'

const Summary = z.object({
  isComplete: z.boolean(),
  unknownOutcomes: z.number(),
  faults: z.record(z.string(), z.object({ begun: z.number(), healed: z.number() })),
  operations: z.record(z.string(), z.object({ ok: z.number() }).loose()),
  verdicts: z.array(
    z.object({ ok: z.boolean(), checked: z.number(), undecided: z.array(z.string()) }),
  ),
})

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-history-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function history(...args: readonly string[]): ReturnType<typeof startProgram> {
  return startProgram(CLI, ['history', ...args])
}

/** The same in this process: what starts nothing. */
function quick(...args: readonly string[]): Promise<Ran> {
  return runMeridian('history', ...args)
}

function temporaryData(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => /^meridian-history-[A-Za-z0-9]{6}$/.test(name))
}

function readHistory(file: string): readonly HistoryEvent[] {
  return parseHistory(readFileSync(file, 'utf8'))
}

function readSummary(file: string): z.infer<typeof Summary> {
  return Summary.parse(JSON.parse(readFileSync(`${file}.summary.json`, 'utf8')))
}

describe.each([
  ['register', ['read', 'write', 'cas']],
  ['list-append', ['txn']],
  ['bank', ['transfer', 'read']],
])('%s', (workload, names) => {
  test('is recorded while links are cut, judged, and judged again from its file', async () => {
    const out = join(folder, `${workload}.jsonl`)
    const { code, stdout, stderr } = await history(
      ...['--workload', workload, '--seconds', '4', '--nemesis', 'partition', '--out', out],
      ...['--topology', 'one-country', '--json'],
    ).ended
    expect(code, `${stdout}\n${stderr}`).toBe(0)
    expect(Summary.parse(JSON.parse(stdout))).toEqual(readSummary(out))
    const { isComplete, faults, operations, verdicts } = readSummary(out)
    expect(isComplete).toBe(true)
    expect(faults['partition']?.begun).toBeGreaterThan(0)
    expect(faults['partition']?.healed).toBe(faults['partition']?.begun)
    for (const name of names) expect(operations[name]?.ok, name).toBeGreaterThan(0)
    for (const { ok, checked, undecided } of verdicts) {
      expect(ok).toBe(true)
      expect(checked).toBeGreaterThan(0)
      expect(undecided).toEqual([])
    }
    const states = readHistory(out).filter(({ f }) => f === 'state')
    expect(states.map(({ key }) => key)).toEqual(['north', 'center', 'south'])
    expect(readFileSync(`${out}.faults.jsonl`, 'utf8')).toContain('"event":"healed"')

    const again = await quick('check', out)
    expect(again.code, again.stdout).toBe(0)
    expect(again.stdout).toContain(`of the workload ${workload}`)
  })

  test('with one answer changed by hand is an anomaly', async () => {
    const events = readHistory(join(folder, `${workload}.jsonl`))
    // What the last read of all saw.
    const at = events.findLastIndex(({ type, f }) => type === 'ok' && (f === 'read' || f === 'txn'))
    const event = events[at] as HistoryEvent
    const planted = join(folder, `${workload}-planted.jsonl`)
    writeFileSync(
      planted,
      encodeHistory(events.with(at, { ...event, value: changed(event.value) })),
    )
    const { code, stdout } = await quick('check', planted)
    expect(code, stdout).toBe(1)
    expect(stdout).toMatch(/\d anomal(y|ies)/)
  })
})

/** Another value, balance or element than any that was written. */
function changed(value: unknown): unknown {
  const other = 1_000_000
  if (Array.isArray(value)) {
    const [[kind, key, list]] = value as [[string, string, readonly number[]]]
    return [[kind, key, [...list, other]]]
  }
  if (typeof value !== 'object' || value === null) return other
  const [first = ''] = Object.keys(value)
  return { ...value, [first]: other }
}

test('Ctrl-C ends it in order and leaves a history that says so', async () => {
  const before = temporaryData()
  const out = join(folder, 'interrupted.jsonl')
  const running = history('--seconds', '600', '--topology', 'one-country', '--out', out)
  await running.prints(' unknown, 0 faults')
  running.kill('SIGINT')
  const { code, stdout, stderr } = await running.ended
  expect(code, stderr).toBe(130)
  expect(stdout).toContain('Incomplete: it was interrupted')
  expect(readHistory(out).length).toBeGreaterThan(0)
  expect(readSummary(out).isComplete).toBe(false)
  expect(temporaryData().filter((name) => !before.includes(name))).toEqual([])
  const check = await quick('check', out)
  expect(check.code, check.stdout).toBe(0)
  expect(check.stdout).toContain('not ended in order')
})

test('what is wrong is said before anything is started', async () => {
  const out = join(folder, 'never.jsonl')
  const wrong = await quick('--nemesis', 'kill-node', '--out', out)
  expect(wrong.code).toBe(2)
  expect(wrong.stdout).toBe('')
  expect(wrong.stderr).toContain('partition, none')
  expect(existsSync(out)).toBe(false)
  const action = await quick('judge', out)
  expect(action.code).toBe(2)
  expect(action.stderr).toContain('check FILE')
})

test('a file that is no history is refused, naming the line', async () => {
  const file = join(folder, 'bad.jsonl')
  writeFileSync(file, '{"process":0,"type":"ok","f":"read","key":"r","value":1,"timeNs":0}\n')
  const bad = await quick('check', file)
  expect(bad.code).toBe(2)
  expect(bad.stderr).toContain('Line 1')
  const missing = await quick('check', join(folder, 'gone.jsonl'))
  expect(missing.code).toBe(2)
  expect(missing.stderr).toContain('cannot be read')
})
