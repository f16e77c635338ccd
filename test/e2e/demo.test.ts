import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startProgram } from '../support/program.ts'

const CLI = 'src/cli/main.ts'
const QUICK = ['--rows', '3000', '--scale', '0.02', '--samples', '20']
const CHECKS = 15
/** From each of 3 regions: 6 pinned calls on each of 3 homes, 3 strong, 3 eventual, 2 views. */
const CELLS = 3 * (6 * 3 + 3 + 3 + 2)

const latency = z.number().positive().nullable()
const Result = z.object({
  rowsLoaded: z.number(),
  loadRowsPerSecond: z.number().positive(),
  checks: z.array(
    z.strictObject({ name: z.string(), passed: z.boolean(), detail: z.string().min(1) }),
  ),
  cells: z.array(
    z.object({
      op: z.string(),
      mode: z.enum(['strong', 'pinned', 'eventual', 'view']),
      origin: z.string(),
      home: z.string(),
      n: z.number(),
      p50Ms: latency,
      p95Ms: latency,
      p99Ms: latency,
      networkMs: z.number().nonnegative(),
    }),
  ),
})

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-demo-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function demo(...args: readonly string[]): ReturnType<typeof startProgram> {
  return startProgram(CLI, ['demo', '--report', join(folder, 'report.html'), ...args])
}

describe('a run', () => {
  const data = (): string => join(folder, 'data')
  const json = (): string => join(folder, 'result.json')

  test('loads, passes every check, writes JSON and report, and ends with 0', async () => {
    const { code, stdout, stderr } = await demo(
      ...QUICK,
      ...['--directory', data(), '--json', json()],
    ).ended
    expect(stdout, stderr).toContain(`All ${CHECKS} checks passed.`)
    expect(code, stderr).toBe(0)

    const result = Result.parse(JSON.parse(readFileSync(json(), 'utf8')))
    expect(result.rowsLoaded).toBe(3000)
    expect(result.checks.filter((check) => !check.passed)).toEqual([])
    expect(result.checks).toHaveLength(CHECKS)
    expect(result.cells).toHaveLength(CELLS)
    for (const cell of result.cells) {
      // Local reads are cheap: there are four times as many.
      expect([20, 80]).toContain(cell.n)
      expect(cell.p50Ms).toBeGreaterThanOrEqual(cell.networkMs)
      // So few calls say nothing about one in twenty.
      expect([cell.p95Ms, cell.p99Ms]).toEqual([null, null])
    }
    const strongWrites = result.cells.filter(({ mode, op }) => mode === 'strong' && op === 'update')
    expect(strongWrites.map(({ origin, networkMs }) => [origin, networkMs])).toEqual([
      ['us-east', 3.2],
      ['eu-west', 1.6],
      ['ap-south', 4],
    ])

    const report = readFileSync(join(folder, 'report.html'), 'utf8')
    expect(report).toContain('3,000')
    expect(report).not.toMatch(/(?:src|href)=|url\(|@import|<script/)
  })

  test('can be repeated on the data of a run before', async () => {
    expect(existsSync(data())).toBe(true)
    const { code, stdout, stderr } = await demo(...QUICK, '--directory', data()).ended
    expect(stdout, stderr).toContain(`All ${CHECKS} checks passed.`)
    expect(code).toBe(0)
  })
})

test('with a node process a region, and clients over HTTP, every check passes', async () => {
  const before = temporaryData()
  const { code, stdout, stderr } = await demo('--processes', ...QUICK).ended
  expect(stdout, stderr).toContain(`All ${CHECKS} checks passed.`)
  expect(stdout).toContain('3 node processes')
  expect(code, stderr).toBe(0)
  expect(temporaryData().filter((name) => !before.includes(name))).toEqual([])
})

test('Ctrl-C ends it in order: code 130, no data left behind', async () => {
  const before = temporaryData()
  const running = demo('--rows', '20000')
  await running.prints('Meridian demo:')
  running.kill('SIGINT')
  const { code, stderr } = await running.ended
  expect(code, stderr).toBe(130)
  expect(stderr).toContain('CANCELLED')
  expect(temporaryData().filter((name) => !before.includes(name))).toEqual([])
})

describe('what is wrong is said before anything is done', () => {
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await demo(...args).ended
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).not.toContain('    at ')
    return stderr
  }
  const topology = (text: string): string => {
    const path = join(folder, 'topology.yaml')
    writeFileSync(path, text)
    return path
  }

  test('an unknown option', async () => {
    const message = await refused('--fast')
    expect(message).toContain("INVALID_ARGUMENT: Unknown option '--fast'")
    expect(message).toContain('meridian demo --help')
  })

  test('a topology file that is not YAML, with the line', async () => {
    const path = topology('regions: [us-east, eu-west\ntopology: {')
    expect(await refused('--topology', path)).toContain(`CONFIG_INVALID: ${path}:2`)
  })

  test('a topology that lacks a pair, naming it', async () => {
    const path = topology(
      'regions: [us-east, eu-west, ap-south]\ntopology:\n  us-east/eu-west: 40\n  us-east/ap-south: 95\n',
    )
    expect(await refused('--topology', path)).toContain('between eu-west and ap-south is missing')
  })

  test('a topology of other regions', async () => {
    const path = topology('regions: [here, there]\ntopology:\n  here/there: 5\n')
    expect(await refused('--topology', path)).toContain('us-east, eu-west, ap-south')
  })

  test('a topology file that is not there', async () => {
    expect(await refused('--topology', join(folder, 'none.yaml'))).toContain('cannot be read')
  })
})

function temporaryData(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => /^meridian-demo-(?!test-)/.test(name))
}
