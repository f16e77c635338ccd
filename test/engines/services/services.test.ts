/** The services that tests share: pointed at, started, or said to be missing. */
import { describe, expect, it } from 'vitest'
import { runCommand } from '../../../scripts/lib/command.ts'
import { SKIPPED_MARK } from '../../../scripts/lib/tally.ts'
import { engines } from '../../support/engines.ts'
import { startProgram } from '../../support/program.ts'

const MAIN = 'scripts/services/main.ts'
const LONG_MS = 170_000

/** The shared engines, as the environment names them. */
function named(): Readonly<Record<string, string>> {
  const { etcd, kafka, redis } = engines()
  return {
    MERIDIAN_TEST_ETCD: etcd.endpoint,
    MERIDIAN_TEST_KAFKA: kafka.broker,
    MERIDIAN_TEST_REDIS: redis.address,
  }
}

describe('services for manual use', () => {
  it('are those that the environment names, until the input ends', async () => {
    const program = startProgram(MAIN, ['up', '--json'], { environment: named(), hasInput: true })
    await program.prints('"event":"ready"')
    program.endInput()
    const { code, stdout } = await program.ended
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    const found = lines.slice(0, -1).map((line) => JSON.parse(line) as Record<string, string>)
    expect(found).toHaveLength(3)
    expect(found).toContainEqual({
      kind: 'etcd',
      address: engines().etcd.endpoint,
      from: 'environment',
    })
  })

  it('are started where nothing is named, and printed as variables for a shell', async () => {
    const { MERIDIAN_TEST_KAFKA = '' } = named()
    const environment = { MERIDIAN_TEST_KAFKA, MERIDIAN_TEST_ETCD: '', MERIDIAN_TEST_REDIS: '' }
    const program = startProgram(MAIN, [], { environment, hasInput: true })
    await program.prints('# Ready')
    const address = /^export MERIDIAN_TEST_ETCD=(\S+)$/m.exec(program.stdout())?.[1] ?? ''
    expect(address).not.toBe(engines().etcd.endpoint)
    expect((await fetch(`http://${address}/version`)).status).toBe(200)
    program.kill('SIGINT')
    expect((await program.ended).code).toBe(0)
    await expect(fetch(`http://${address}/version`)).rejects.toThrow('fetch failed')
  })

  it('that cannot be had are named, and the exit code says so', async () => {
    const environment = { ...named(), MERIDIAN_TEST_ETCD: '', MERIDIAN_ETCD: '/nowhere/etcd' }
    const { code, stderr } = await startProgram(MAIN, ['up'], { environment }).ended
    expect(code).toBe(1)
    expect(stderr).toContain('etcd: etcd cannot be started: /nowhere/etcd does not run')
  })
})

describe('tests on an engine that cannot be had', () => {
  const command = (ci: string): string => {
    const variables = { ...named(), MERIDIAN_TEST_ETCD: '', MERIDIAN_ETCD: '/nowhere/etcd' }
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
    const file = 'test/engines/services/shared-engines.test.ts'
    return `env -u CI ${ci} ${given.join(' ')} vitest run --project engines ${file}`
  }

  it('are skipped, and one line at the end says why', async () => {
    const { ok, output } = await runCommand(command(''), LONG_MS)
    expect(ok, output).toBe(true)
    expect(output).toMatch(/Tests\s+1 skipped/)
    const said = output.split('\n').filter((line) => line.startsWith(SKIPPED_MARK))
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('/nowhere/etcd does not run')
  })

  it('fail in CI', async () => {
    const { ok, output } = await runCommand(command('CI=true'), LONG_MS)
    expect(ok).toBe(false)
    expect(output).toContain('in CI their tests must run')
    expect(output).toContain('/nowhere/etcd does not run')
  })
})
