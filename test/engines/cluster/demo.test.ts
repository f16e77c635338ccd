/** `meridian demo --engines real`: every check of the demo, on engines that it starts itself. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProgram } from '../../support/program.ts'

/** Three regions of five processes each; the machine may be busy with other tests. */
const TIMEOUT_MS = 900_000
const CHECKS = 15

test(
  'on etcd, Kafka, Redis and stores that it starts, every check passes',
  { timeout: TIMEOUT_MS },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meridian-demo-real-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const json = join(folder, 'result.json')
    const quick = ['--rows', '1000', '--scale', '0.02', '--samples', '5']
    const files = ['--report', join(folder, 'report.html'), '--json', json]
    const demo = startProgram('src/cli/main.ts', ['demo', '--engines', 'real', ...quick, ...files])
    const { code, stdout, stderr } = await demo.ended
    expect(stdout, stderr).toContain(`All ${CHECKS} checks passed.`)
    expect(code, stderr).toBe(0)
    const { deployment, checks } = JSON.parse(readFileSync(json, 'utf8')) as {
      readonly deployment: string
      readonly checks: readonly { readonly name: string; readonly detail: string }[]
    }
    expect(deployment).toMatch(/etcd, Kafka, Redis/)
    // What it looked at for forbidden bytes are the folders of engines, too.
    const residency = checks.find(({ name }) => name.includes('no byte'))
    const scanned = Number(/in (\d+) files/.exec(residency?.detail.replaceAll(',', '') ?? '')?.[1])
    expect(scanned).toBeGreaterThan(50)
  },
)
