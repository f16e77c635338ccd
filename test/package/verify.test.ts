/** What `npm test` promises: it leaves nothing out, and its count cannot lie. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, runCommand } from '../../scripts/lib/command.ts'
import { LONGEST } from '../../scripts/lib/longest-first.ts'
import { readScripts } from '../../scripts/lib/package-json.ts'
import { schedule } from '../../scripts/lib/schedule.ts'
import { STEPS, type Step } from '../../scripts/lib/steps.ts'
import { readTstycheOutput, settleTally } from '../../scripts/lib/tally.ts'

const TALLY = { passed: 3, failed: 0, skipped: 1 }

function step(name: string, more: Partial<Step> = {}): Step {
  return { name, counts: 'step', timeoutMs: 1_000, ...more }
}

/** Runs steps and records what began and ended; a name that begins with `bad` fails. */
async function trace(steps: readonly Step[]): Promise<readonly string[]> {
  const events: string[] = []
  const run = async ({ name }: Step): Promise<boolean> => {
    events.push(`begin ${name}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    events.push(`end ${name}`)
    return !name.startsWith('bad')
  }
  await schedule(steps, run, ({ name }) => events.push(`skip ${name}`))
  return events
}

describe('the steps', () => {
  it('are scripts of package.json', () => {
    const names = STEPS.map(({ name }) => name)
    expect(Object.keys(readScripts())).toEqual(expect.arrayContaining(names))
  })

  it('begin with files that there are', () => {
    const missing = LONGEST.filter((name) => !existsSync(join(ROOT, 'test', `${name}.test.ts`)))
    expect(missing).toEqual([])
  })

  it('cover every folder of tests', () => {
    const folders = readdirSync(join(ROOT, 'test'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .filter(({ name }) =>
        readdirSync(join(ROOT, 'test', name), { recursive: true, encoding: 'utf8' }).some((path) =>
          /\.(test|tst)\.ts$/.test(path),
        ),
      )
    const names = STEPS.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(folders.map(({ name }) => `test:${name}`)))
  })

  it('are what CI runs', () => {
    const workflow = readFileSync(join(ROOT, '.github/workflows/ci.yml'), 'utf8')
    expect(workflow).toContain('run: .ci/run')
    expect(readFileSync(join(ROOT, '.ci/run'), 'utf8')).toContain('npm test')
    expect(existsSync(join(ROOT, 'package-lock.json'))).toBe(true)
  })
})

describe('the count', () => {
  it('takes a run that failed without a failing test for a failure', () => {
    expect(settleTally(false, TALLY)).toEqual({ ...TALLY, failed: 1 })
  })

  it('takes a run without tests for a failure', () => {
    expect(settleTally(true, { passed: 0, failed: 0, skipped: 0 }).failed).toBe(1)
  })

  it('takes a run without a report for a failure', () => {
    expect(settleTally(true, undefined).failed).toBe(1)
  })

  it('is the report of the runner otherwise', () => {
    expect(settleTally(true, TALLY)).toEqual(TALLY)
    expect(settleTally(false, { ...TALLY, failed: 2 })).toEqual({ ...TALLY, failed: 2 })
  })

  it('reads the totals of type tests', () => {
    const output = 'Targets:    1 passed, 1 total\nTests:      2 failed, 5 passed, 7 total\n'
    expect(readTstycheOutput(output)).toEqual({ passed: 5, failed: 2, skipped: 0 })
  })
})

describe('the schedule', () => {
  it('runs two cheap steps at once and never three', async () => {
    const events = await trace([step('a'), step('b'), step('c')])
    expect(events.slice(0, 2)).toEqual(['begin a', 'begin b'])
    expect(events[2]).toMatch(/^end/)
    expect(events).toHaveLength(6)
  })

  it('runs nothing beside a step that wants to be alone', async () => {
    const events = await trace([step('a'), step('b', { alone: true }), step('c')])
    const begin = events.indexOf('begin b')
    expect(events[begin + 1]).toBe('end b')
    expect(events.filter((event) => event.startsWith('begin'))).toHaveLength(3)
  })

  it('skips a step whose need failed, and goes on with the rest', async () => {
    const steps = [step('bad'), step('needy', { needs: 'bad' }), step('other')]
    const events = await trace(steps)
    expect(events).toContain('skip needy')
    expect(events).not.toContain('begin needy')
    expect(events).toContain('end other')
  })

  it('runs a step whose need is not part of this run', async () => {
    expect(await trace([step('needy', { needs: 'absent' })])).toEqual(['begin needy', 'end needy'])
  })
})

describe('a command', () => {
  it('that takes too long is ended with everything it started', async () => {
    const { ok, output, elapsedMs } = await runCommand('sleep 60 & sleep 60', 200)
    expect(ok).toBe(false)
    expect(output).toContain('Ended after 0.2 s')
    expect(elapsedMs).toBeLessThan(30_000)
  })

  it('that fails says so, with what it printed', async () => {
    const result = await runCommand('echo out && echo err >&2 && exit 3', 10_000)
    expect(result).toMatchObject({ ok: false, code: 3 })
    expect(result.output).toContain('out')
    expect(result.output).toContain('err')
  })
})
