import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeFromCompressedBase64, HistogramLogReader } from 'hdr-histogram-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { logFileNames } from '../../../../benchmarks/report/hdr-log.ts'
import { readRun } from '../../../../benchmarks/report/read-run.ts'
import { resultSchema } from '../../../../benchmarks/report/result-schema.ts'
import { writeReports } from '../../../../benchmarks/report/write-reports.ts'
import { makeFixture } from './fixture.ts'

const { result, histograms: all } = makeFixture()
// Each file is synced to disk: a few show it.
const histograms = all.slice(0, 6)
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-report-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the JSON has the documented form and what is written is read again', async () => {
  const json = join(folder, 'result.json')
  const written = await writeReports(result, histograms, { json })
  const parsed: unknown = JSON.parse(await readFile(json, 'utf8'))
  expect(resultSchema.safeParse(parsed).error).toBeUndefined()
  expect(written).toHaveLength(1 + histograms.length)
  const run = await readRun(json)
  expect({ ...run.result, histograms: [] }).toEqual(result)
  expect(run.histograms).toEqual(histograms)
})

test('the form is strict: a field too many, one too few, or another version is refused', async () => {
  const { seed, ...without } = result
  expect(resultSchema.safeParse({ ...result, seeds: seed }).success).toBe(false)
  expect(resultSchema.safeParse(without).success).toBe(false)
  expect(resultSchema.safeParse({ ...result, version: 2 }).success).toBe(false)
  const path = join(folder, 'other.json')
  await writeFile(path, JSON.stringify({ ...result, version: 2 }))
  await expect(readRun(path)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
  await writeFile(path, '{')
  await expect(readRun(path)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
})

test('raw logs are read by the reader of HdrHistogram, value for value', async () => {
  const json = join(folder, 'logs.json')
  await writeReports(result, histograms, { json })
  const { result: written } = await readRun(json)
  for (const [i, { file }] of written.histograms.entries()) {
    const reader = new HistogramLogReader(await readFile(join(folder, file), 'utf8'))
    const read = reader.nextIntervalHistogram()
    const measured = decodeFromCompressedBase64(histograms[i]?.encoded ?? '')
    expect(read?.toJSON()).toEqual(measured.toJSON())
    expect(read?.totalCount).toBe(measured.totalCount)
    expect(read?.outputPercentileDistribution(20, 1)).toBe(
      measured.outputPercentileDistribution(20, 1),
    )
    expect(read?.startTimeStampMsec).toBeCloseTo(Date.parse(result.startedAt), 0)
    expect(reader.nextIntervalHistogram()).toBeNull()
  }
})

test('logs of an earlier run go, no draft stays, and what is no log is left alone', async () => {
  const json = join(folder, 'again.json')
  await writeReports(result, histograms, { json })
  await writeFile(join(folder, 'again.json.hdr', 'mine.txt'), 'kept')
  await writeReports(result, histograms.slice(0, 2), { json })
  const left = await readdir(join(folder, 'again.json.hdr'))
  expect(left.filter((file) => file.endsWith('.hlog'))).toHaveLength(2)
  expect(left).toContain('mine.txt')
  expect((await readdir(folder)).filter((file) => file.endsWith('.new'))).toEqual([])
})

test('names of logs are no paths, and no two are the same', () => {
  const names = logFileNames(['../../etc/passwd', 'a b', 'a/b', 'A B', '', '...'])
  expect(names).toEqual([
    'etc-passwd.hlog',
    'a-b.hlog',
    'a-b-2.hlog',
    'A-B-3.hlog',
    'cell.hlog',
    'cell-2.hlog',
  ])
})
