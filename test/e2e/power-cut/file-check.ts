/** Has the engine check its files, in a process of its own: this one must not hold them open. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const TIMEOUT_MS = 120_000
const CHECK = `const Database = require(process.argv[1]);
for (const path of process.argv.slice(2)) {
  const file = new Database(path, { readonly: true });
  const said = file.prepare('PRAGMA integrity_check').raw().all().flat().join('; ');
  if (said !== 'ok') console.log(path + ': ' + said);
}`
const ENGINE = import.meta.resolve('libsql').replace(/^file:\/\//, '')

/** What is wrong with the files of a deployment, each in words. */
export async function checkFiles(directory: string): Promise<readonly string[]> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.db'))
    .map((name) => join(directory, name))
  if (files.length === 0) return [`There are no files in ${directory}.`]
  const { stdout } = await run(process.execPath, ['--eval', CHECK, ENGINE, ...files], {
    timeout: TIMEOUT_MS,
    env: { PATH: process.env['PATH'] },
  })
  return stdout.trim() === '' ? [] : stdout.trim().split('\n')
}
