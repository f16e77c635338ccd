/** The run itself, step by step. */
import { randomBytes } from 'node:crypto'
import { cpus } from 'node:os'
import { withProgress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'
import { packageVersion } from '../../node/package-root.ts'
import { allChecks } from './checks/index.ts'
import { runCheck, type CheckContext } from './checks/check.ts'
import { cityGrid, type GridDot } from './city-grid.ts'
import { throwIfInterrupted } from '../../../benchmarks/concurrency.ts'
import { readDataset, type CountryData, type Dataset } from './dataset.ts'
import { loadCities } from './load.ts'
import type { WorkloadData } from './operations.ts'
import type { DemoOptions } from './options.ts'
import { addNotes, addResidents, createTenants } from './prepare.ts'
import type { CheckResult, CountryTotal, DemoResult, Environment, LoadResult } from './result.ts'
import type { DemoSession } from './session.ts'
import { runWorkload, workloadCalls, type WorkloadResult } from './workload.ts'

/** Countries of each region that the workload is about: those with most cities. */
const WORKLOAD_COUNTRIES = 5
const LISTED_CITIES = 10

/** What a run gives: the results, and the map of the data for the report. */
export interface DemoRun {
  readonly result: DemoResult
  readonly dots: readonly GridDot[]
}

/** Loads, works, checks. */
export async function runDemo(
  session: DemoSession,
  options: DemoOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<DemoRun> {
  const startedAt = new Date().toISOString()
  const startedAtMs = performance.now()
  const run = randomBytes(4).toString('hex')
  const dataset = await readDataset(options.maxRows)
  announce(session, dataset, options, terminal)
  const load = await prepareAndLoad(session, dataset, terminal, signal)
  const workload = await work(session, dataset, { ...options, run }, terminal, signal)
  const checks = await check({ session, dataset, run }, workload, terminal, signal)
  const result = {
    rowsLoaded: load.rows,
    loadRowsPerSecond: Math.round(load.rows / (load.settledMs / 1000)),
    checks,
    cells: workload.cells,
    load,
    ...(await readViews(session, dataset)),
    topology: session.topology,
    scale: options.scale,
    leader: session.config.commitLog.leader,
    startedAt,
    elapsedMs: Math.round(performance.now() - startedAtMs),
    environment: environment(),
    deployment: session.running.description,
  }
  return { result, dots: cityGrid(dataset) }
}

function announce(
  session: DemoSession,
  dataset: Dataset,
  options: DemoOptions,
  terminal: Terminal,
): void {
  terminal.note(
    `Meridian demo: ${dataset.rows.toLocaleString('en')} cities of ` +
      `${dataset.countries.length} countries, regions ${session.regions.join(', ')}, ` +
      `distances × ${options.scale}, ${session.running.description}`,
  )
}

async function prepareAndLoad(
  session: DemoSession,
  dataset: Dataset,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<LoadResult> {
  await withProgress(terminal, 'Tenants ', dataset.countries.length, async (progress) => {
    let created = 0
    await createTenants(session, dataset, signal, () => progress.update(++created))
    await session.running.settle()
  })
  return withProgress(terminal, 'Loading ', dataset.rows, (progress) =>
    loadCities(session, dataset, progress, signal),
  )
}

async function work(
  session: DemoSession,
  dataset: Dataset,
  options: DemoOptions & { readonly run: string },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<WorkloadResult> {
  const countries = new Map(
    session.regions.map((region) => [region, largestAt(dataset, region)] as const),
  )
  const residents = await withProgress(terminal, 'Notes and residents', undefined, async () => {
    await addNotes(session, dataset, signal)
    const added = await addResidents(session, [...countries.values()].flat(), signal)
    await session.running.settle()
    return added
  })
  const data: WorkloadData = { countries, residents }
  const total = workloadCalls(session, data, options.samples)
  const result = await withProgress(terminal, 'Workload', total, (progress) =>
    runWorkload(session, data, options, progress, signal),
  )
  await withProgress(terminal, 'Settling', undefined, () => session.running.settle())
  return result
}

function check(
  context: CheckContext,
  workload: WorkloadResult,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const checks = allChecks(workload)
  return withProgress(terminal, 'Checking', checks.length, async (progress) => {
    const results: CheckResult[] = []
    for (const one of checks) {
      throwIfInterrupted(signal)
      progress.update(results.length, one.name)
      results.push(await runCheck(one, context))
    }
    return results
  })
}

function largestAt(dataset: Dataset, region: string): readonly CountryData[] {
  return dataset.countries
    .filter(({ home }) => home === region)
    .sort((a, b) => b.cities.length - a.cities.length)
    .slice(0, WORKLOAD_COUNTRIES)
}

async function readViews(
  session: DemoSession,
  dataset: Dataset,
): Promise<Pick<DemoResult, 'largestCities' | 'countries'>> {
  const db = session.db(session.config.commitLog.leader)
  const names = new Map(dataset.countries.map(({ code, row }) => [code, row.name]))
  const largestCities = (await db.view('largestCities').list({ limit: LISTED_CITIES })).map(
    ({ name, country, population }) => ({ name, country, population }),
  )
  const groups = await db.view('populationByCountry').list()
  const countries = groups
    .map((row): CountryTotal => ({ ...row, name: names.get(row.country) ?? row.country }))
    .sort((a, b) => b.population - a.population)
  return { largestCities, countries }
}

function environment(): Environment {
  const processors = cpus()
  return {
    meridian: packageVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: processors.length,
    processor: processors[0]?.model ?? 'unknown',
  }
}
