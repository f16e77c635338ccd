/**
 * `npm run check:examples`: every example runs to its end, against the build, as a user runs it, and
 * so do the tests that come with it.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, runCommand } from './lib/command.ts'

const FOLDER = 'examples'
const TIMEOUT_MS = 120_000

const programs = readdirSync(join(ROOT, FOLDER))
  .map((name) => `${FOLDER}/${name}/main.ts`)
  .filter((program) => existsSync(join(ROOT, program)))
if (programs.length === 0) throw new Error('There is no example to run.')

const tests = readdirSync(join(ROOT, FOLDER), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `${FOLDER}/${file.replaceAll('\\', '/')}`)

for (const file of [...programs, ...tests]) {
  const flag = tests.includes(file) ? '--test ' : ''
  const command = `node --import tsx ${flag}${file}`
  const { ok, output, elapsedMs } = await runCommand(command, TIMEOUT_MS)
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${file}  ${(elapsedMs / 1000).toFixed(1)} s`)
  if (ok) continue
  console.error(output)
  process.exitCode = 1
}
