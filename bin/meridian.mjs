#!/usr/bin/env node
/**
 * The `meridian` command. An installed package runs what was built; a checkout runs its build
 * while that is newer than the sources, and else the sources themselves, installing what is
 * missing. Plain JavaScript, because in a fresh checkout nothing else can run.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const BUILT = join(ROOT, 'dist', 'src', 'cli', 'main.js')
const BOOTSTRAP = join(ROOT, 'scripts', 'bootstrap.mjs')
const SOURCE = join('src', 'cli', 'main.ts')
const SOURCE_FOLDERS = ['src', 'replication', 'cdc', 'crdt', 'benchmarks']

function newestSourceMs() {
  const times = SOURCE_FOLDERS.filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true }).map((path) => join(ROOT, folder, path)),
    )
    .filter((path) => path.endsWith('.ts'))
    .map((path) => statSync(path).mtimeMs)
  return Math.max(...times)
}

function runsBuild() {
  const isCheckout = existsSync(BOOTSTRAP)
  if (!isCheckout) return true
  const canRun = existsSync(BUILT) && existsSync(join(ROOT, 'node_modules'))
  return canRun && statSync(BUILT).mtimeMs > newestSourceMs()
}

if (runsBuild()) {
  await import(pathToFileURL(BUILT).href)
} else {
  const args = [BOOTSTRAP, SOURCE, ...process.argv.slice(2)]
  const child = spawn(process.execPath, args, { stdio: 'inherit' })
  // The terminal signals the whole group itself; a plain kill reaches only this process.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {})
  child.on('close', (code) => {
    process.exitCode = code ?? 1
  })
}
