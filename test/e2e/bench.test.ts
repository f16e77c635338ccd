import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { startProgram } from '../support/program.ts'

const CLI = 'src/cli/main.ts'

const Result = z.object({
  profile: z.string(),
  isComplete: z.boolean(),
  topology: z.object({ regions: z.array(z.string()) }),
  environment: z.object({ cores: z.number(), fsync: z.object({}).loose().nullable() }),
  cells: z.array(z.object({ op: z.string(), mode: z.string(), n: z.number() })),
  notes: z.array(z.string()),
  histograms: z.array(z.object({ name: z.string(), file: z.string() })),
})

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-bench-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function bench(...args: readonly string[]): ReturnType<typeof startProgram> {
  return startProgram(CLI, ['bench', ...args])
}

function temporaryData(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => /^meridian-bench-[A-Za-z0-9]{6}$/.test(name))
}

function readResult(path: string): z.infer<typeof Result> {
  return Result.parse(JSON.parse(readFileSync(path, 'utf8')))
}

test('a workload on a topology of its own is measured, reported in every form, and cleaned up', async () => {
  const before = temporaryData()
  const json = join(folder, 'result.json')
  const html = join(folder, 'result.html')
  const markdown = join(folder, 'result.md')
  const { code, stdout, stderr } = await bench(
    ...['--workload', 'hot-key', '--topology', 'one-country', '--seconds', '2'],
    ...['--json', json, '--html', html, '--markdown', markdown],
  ).ended
  expect(code, `${stdout}\n${stderr}`).toBe(0)
  expect(stderr).toContain('--workload hot-key')

  const { cells, histograms, isComplete, profile, topology } = readResult(json)
  expect(isComplete).toBe(true)
  expect(profile).toBe('quick')
  expect(cells.length).toBeGreaterThanOrEqual(topology.regions.length)
  expect(cells.some(({ n }) => n > 0)).toBe(true)
  expect(histograms.length).toBeGreaterThan(0)
  for (const { file } of histograms) expect(existsSync(join(folder, file)), file).toBe(true)
  expect(readFileSync(html, 'utf8')).toContain('<html')
  expect(readFileSync(markdown, 'utf8')).toContain('|')
  expect(temporaryData().filter((name) => !before.includes(name))).toEqual([])
})

test('Ctrl-C ends it in order and writes what there is, marked as incomplete', async () => {
  const before = temporaryData()
  const json = join(folder, 'interrupted.json')
  const running = bench('--workload', 'hot-key', '--seconds', '600', '--json', json)
  await running.prints('left |')
  running.kill('SIGINT')
  const { code, stdout, stderr } = await running.ended
  expect(code, stderr).toBe(130)
  expect(stdout).toContain('Incomplete: interrupted')
  const { isComplete, notes } = readResult(json)
  expect(isComplete).toBe(false)
  expect(notes[0]).toMatch(/^Incomplete: the run was interrupted after 0 of/)
  expect(temporaryData().filter((name) => !before.includes(name))).toEqual([])
})

test('--list and --help say what there is', async () => {
  const { code, stdout } = await bench('--list').ended
  expect(code).toBe(0)
  expect(stdout).toContain('Topologies:')
  const help = await bench('--help').ended
  expect(help.stdout).toContain('Usage: meridian bench [options]')
  expect(help.stdout).toContain('MERIDIAN_POSTGRESQL')
  expect(help.stdout).toContain('MERIDIAN_CASSANDRA_JARS')
})

/** Each option: test/unit/cli/bench/options.test.ts. */
test('what is wrong is said before anything is started', async () => {
  const { code, stdout, stderr } = await bench('--workload', 'ycsb-z').ended
  expect(code).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain('ycsb-a')
  expect(stderr).not.toContain('    at ')
})
