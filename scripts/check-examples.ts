/** `npm run check:examples`: every example runs to its end, against the build, as a user runs it. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, runCommand } from './lib/command.ts'

const FOLDER = 'examples'
const TIMEOUT_MS = 60_000

const programs = readdirSync(join(ROOT, FOLDER))
  .map((name) => `${FOLDER}/${name}/main.ts`)
  .filter((program) => existsSync(join(ROOT, program)))
if (programs.length === 0) throw new Error('There is no example to run.')

for (const program of programs) {
  const { ok, output, elapsedMs } = await runCommand(`node --import tsx ${program}`, TIMEOUT_MS)
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${program}  ${(elapsedMs / 1000).toFixed(1)} s`)
  if (ok) continue
  console.error(output)
  process.exitCode = 1
}
