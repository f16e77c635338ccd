import { describe, expect, it } from 'vitest'
import { startProgram } from '../../support/program.ts'
import { complaint, runSeed } from './run.ts'

/** Seeds of each phase; `SEEDS=100000 npx vitest run --project simulation leases/correct` soaks. */
const SEEDS = Number(process.env['SEEDS'] ?? 500)
/** With clocks that are far more wrong than any are. */
const WILD_CLOCK_SEEDS = Math.ceil(SEEDS / 5)

describe('log leases', () => {
  it.each([1, 2] as const)('are strictly serializable, and come to rest, phase %i', (phase) => {
    const started = process.cpuUsage()
    let simulatedMs = 0
    let reads = 0
    let writes = 0
    for (let seed = 0; seed < SEEDS; seed++) {
      const run = runSeed({ seed, phase, heals: true, encodes: seed % 10 === 0 })
      expect(complaint(run)).toBeUndefined()
      simulatedMs += run.simulatedMs
      reads += run.operations.filter(({ kind }) => kind === 'read').length
      writes += run.operations.filter((o) => o.kind === 'write' && o.answer !== 'unknown').length
    }
    const { user, system } = process.cpuUsage(started)
    const timesRealTime = Math.round(simulatedMs / ((user + system) / 1000))
    console.log(
      `phase ${phase}: ${SEEDS} seeds, ${reads} reads, ${writes} answered writes, ${timesRealTime} × real time`,
    )
    // A world in which hardly anything happens would prove nothing.
    expect(reads / SEEDS).toBeGreaterThan(40)
    expect(writes / SEEDS).toBeGreaterThan(10)
  })

  it.each([1, 2] as const)('allow for clocks that are wrong by 40 %%, phase %i', (phase) => {
    for (let seed = 0; seed < WILD_CLOCK_SEEDS; seed++) {
      const run = runSeed({ seed, phase, driftRate: 0.4 })
      expect(complaint(run)).toBeUndefined()
    }
  })

  it('run alike for the same seed, in another process too', async () => {
    const program = startProgram('test/simulation/programs/lease-run.ts', ['--seed', '30'])
    const here = runSeed({ seed: 30, phase: 2, heals: true, encodes: true })
    const { code, stdout } = await program.ended
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as { traceHash: string }).traceHash).toBe(here.traceHash)
    expect(runSeed({ seed: 31, phase: 2 }).traceHash).not.toBe(here.traceHash)
  })

  it('say how to run a failing seed again, and it fails again', async () => {
    let found: string | undefined
    for (let seed = 0; found === undefined; seed++) {
      found = complaint(runSeed({ seed, phase: 2, mutation: { ignoreMarks: true } }))
    }
    const command = /again: npx tsx (.*)$/.exec(found)?.[1]?.split(' ') ?? []
    const [file = '', ...args] = command
    expect((await startProgram(file, args).ended).code).toBe(1)
  })
})
