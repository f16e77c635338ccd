/**
 * `npm run build`: compiles what is shipped to dist/, declarations included. Built beside and
 * swapped in, so that a file deleted from the sources leaves nothing behind and a failed build
 * leaves the last good one.
 */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, runCommand } from './lib/command.ts'

const TIMEOUT_MS = 120_000

const fresh = `temp/build-${process.pid}`
const dist = join(ROOT, 'dist')
// Types are `npm run check:types`'s to check, in a fraction of the time: `noCheck`.
// By its path: the native compiler, whose declarations differ in form, has a program of that name too.
const compiler = 'node node_modules/typescript/bin/tsc'
const { ok, output } = await runCommand(
  `${compiler} -p tsconfig.build.json --outDir ${fresh}`,
  TIMEOUT_MS,
)
if (ok) {
  rmSync(dist, { recursive: true, force: true })
  renameSync(join(ROOT, fresh), dist)
} else {
  rmSync(join(ROOT, fresh), { recursive: true, force: true })
  console.error(output)
  process.exitCode = 1
}
