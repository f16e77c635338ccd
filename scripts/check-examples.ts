/**
 * `npm run check:examples`: every example runs to its end, against the build, as a user runs it, and
 * so do the tests that come with it.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, runCommand } from './lib/command.ts'
import { SKIPPED_MARK } from './lib/tally.ts'

const FOLDER = 'examples'
const TIMEOUT_MS = 180_000
/** How an example ends that needs what is not here (`EX_TEMPFAIL`); it says what. */
const SKIPPED_CODE = 75

const programs = readdirSync(join(ROOT, FOLDER))
  .map((name) => `${FOLDER}/${name}/main.ts`)
  .filter((program) => existsSync(join(ROOT, program)))
if (programs.length === 0) throw new Error('There is no example to run.')

const tests = readdirSync(join(ROOT, FOLDER), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `${FOLDER}/${file.replaceAll('\\', '/')}`)

/** The line that tells why. */
function reasonOf(output: string): string {
  const line = output.split('\n').find((one) => one.startsWith(SKIPPED_MARK))
  return line?.slice(SKIPPED_MARK.length) ?? 'it does not say why'
}

for (const file of [...programs, ...tests]) {
  const flag = tests.includes(file) ? '--test ' : ''
  const command = `node --import tsx ${flag}${file}`
  const { ok, code, output, elapsedMs } = await runCommand(command, TIMEOUT_MS)
  const isSkipped = code === SKIPPED_CODE
  const word = ok ? 'ok  ' : isSkipped ? 'skip' : 'FAIL'
  console.log(`${word}  ${file}  ${(elapsedMs / 1000).toFixed(1)} s`)
  if (isSkipped) console.log(`${SKIPPED_MARK}${file}: ${reasonOf(output)}`)
  if (ok || isSkipped) continue
  console.error(output)
  process.exitCode = 1
}
