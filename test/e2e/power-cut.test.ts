/** Power cuts: what was acknowledged is on the disk. `npm run power-cuts` cuts more often. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startProgram } from '../support/program.ts'
import { until } from '../support/until.ts'
import { Journal, notesOf, type Note } from './power-cut/journal.ts'
import { whyNoPlace } from './power-cut/own-place.ts'
import { skipLine, type Total } from './power-cut/report.ts'
import { judge, type Found, type Verdict } from './power-cut/verdict.ts'

const PROGRAM = 'test/e2e/programs/power-cuts.ts'
const SKIPPED_CODE = 77
const TIMEOUT_MS = 290_000

/** A journal with writes 0 to 3 acknowledged, 4 and 5 open, and all of it as found. */
function written(): { journal: Journal; notes: Note[] } {
  const journal = new Journal(1)
  for (let i = 0; i < 6; i++) journal.begin('pinned')
  for (let i = 0; i < 4; i++) journal.acknowledge('pinned', i)
  return { journal, notes: [0, 1, 2, 3].flatMap((write) => notesOf(1, 'pinned', write)) }
}

describe('what is found is compared with what was acknowledged', () => {
  const verdict = (change: (notes: Note[]) => Partial<Found> | void): Verdict => {
    const { journal, notes } = written()
    const more = change(notes) ?? {}
    return judge('pinned', journal, { notes, sum: 4, ...more })
  }

  test('all of it there is good', () => {
    expect(verdict(() => undefined)).toMatchObject({ isGood: true, acknowledged: 4, found: 4 })
  })

  test('a write of unknown outcome may be there, whole', () => {
    const found = verdict((notes) => {
      notes.push(...notesOf(1, 'pinned', 5))
      return { sum: 5 }
    })
    expect(found).toMatchObject({ isGood: true, unknown: 2, tookEffect: 1 })
  })

  test('an acknowledged write that is not there is lost', () => {
    const found = verdict((notes) => {
      notes.splice(3, 3)
      return { sum: 3 }
    })
    expect(found).toMatchObject({ isGood: false, found: 3, lost: [1] })
  })

  test.each([
    ['a row of it is missing', (notes: Note[]) => void notes.splice(4, 1)],
    [
      'a value is not what was written',
      (notes: Note[]) => void notes.splice(4, 1, { ...(notes[4] as Note), value: 'other' }),
    ],
  ])('a write is half-written where %s', (_, change) => {
    expect(verdict(change)).toMatchObject({ isGood: false, found: 3, lost: [], halfWritten: [1] })
  })

  test('a write of unknown outcome may not be there in part', () => {
    const found = verdict((notes) => void notes.push(...notesOf(1, 'pinned', 4).slice(1)))
    expect(found).toMatchObject({ isGood: false, halfWritten: [4] })
  })

  test.each([
    ['a row that nobody wrote', (notes: Note[]) => void notes.push(...notesOf(1, 'pinned', 9))],
    ['a row that is there twice', (notes: Note[]) => void notes.push(notes[0] as Note)],
    ['a sum that counts a write twice', () => ({ sum: 5 })],
    ['a refusal to serve', () => ({ refusal: 'POSITION_LOST' })],
  ])('%s is wrong', (_, change) => {
    expect(verdict(change).isGood).toBe(false)
  })
})

test('where it cannot run it says so and why, and does not pass', async () => {
  const { code, stdout } = await startProgram(PROGRAM, ['--cuts', '1'], {
    environment: { PATH: '/nowhere' },
  }).ended
  expect(stdout).toMatch(/^SKIPPED: power cuts: \S/)
  expect(code).toBe(SKIPPED_CODE)
})

/** How a run ended, and all that it said for whoever looks why it is red. */
interface Run {
  readonly code: number | null
  readonly total: Total
  readonly said: string
}

/** Runs cuts to their end. */
async function cut(...args: readonly string[]): Promise<Run> {
  const { code, stdout, stderr } = await startProgram(PROGRAM, [...args, '--json']).ended
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  expect(last, stderr).toContain('"event":"total"')
  return { code, total: JSON.parse(last) as Total, said: stdout }
}

/** Processes and loop devices that belong to the run of a seed. */
function traces(name: string): readonly string[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // It has ended meanwhile, or is no process.
      return ''
    }
  }
  const processes = readdirSync('/proc').map((pid) => join('/proc', pid, 'cmdline'))
  const loops = readdirSync('/sys/block').map((one) => join('/sys/block', one, 'loop/backing_file'))
  return [...processes, ...loops].filter((path) => read(path).includes(name))
}

describe('power cuts', () => {
  let reason: string | undefined
  beforeAll(async () => {
    reason = await whyNoPlace()
    if (reason !== undefined) console.log(`\n${skipLine(reason)}`)
  })

  // What was lost once may be there at a second attempt: there is none.
  test(
    'lose nothing that was acknowledged, strong or pinned, and leave nothing half-written',
    { timeout: TIMEOUT_MS, retry: 0 },
    async (context) => {
      context.skip(reason !== undefined, reason)
      // With this seed the disk of the first cut lives through the second, too.
      const { code, total, said } = await cut('--cuts', '2', '--seed', '1')
      expect(total, said).toMatchObject({ isGood: true, badCuts: 0, synchronous: 'full' })
      for (const mode of ['strong', 'pinned', 'eventual'] as const) {
        expect(total.modes[mode]).toMatchObject({ lost: 0, halfWritten: 0, badCuts: 0 })
        expect(total.modes[mode].acknowledged).toBeGreaterThan(50)
      }
      expect(code).toBe(0)
    },
  )

  test(
    'must fail: at synchronous=NORMAL acknowledged strong and pinned writes are lost',
    // A cut just after the engine has forced its log to the disk, as it does now and then, loses nothing.
    { timeout: TIMEOUT_MS, retry: 2 },
    async (context) => {
      context.skip(reason !== undefined, reason)
      const { code, total, said } = await cut('--cuts', '1', '--synchronous', 'normal')
      expect(total.isGood, said).toBe(false)
      expect(total.modes.pinned.lost, said).toBeGreaterThan(0)
      // Either the store has lost the rows, or the log has, and the region refuses to serve them.
      expect(total.modes.strong.badCuts, said).toBe(1)
      expect(code).toBe(1)
    },
  )

  test('leave no process and no loop device behind when the rig is killed', async (context) => {
    context.skip(reason !== undefined, reason)
    const seed = 1_000_000 + process.pid
    const name = `power-cuts-${seed}/`
    const rig = startProgram(PROGRAM, ['--cuts', '100', '--seed', String(seed)])
    await until(() => {
      const kinds = traces(name).map((path) => path.split('/')[1])
      expect(new Set(kinds)).toEqual(new Set(['proc', 'sys']))
    }, TIMEOUT_MS / 3)
    rig.kill('SIGKILL')
    await rig.ended
    await until(() => expect(traces(name)).toEqual([]))
  })
})
