#!/usr/bin/env node
/**
 * The `meridian` command. An installed package runs what was built; a checkout runs its build
 * while that is newer than the sources, and else the sources themselves, installing what is
 * missing. Plain JavaScript, because in a fresh checkout nothing else can run.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { builtFile, hasFreshBuild } from './fresh-build.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const SOURCE = 'src/cli/main.ts'
const BOOTSTRAP = join(ROOT, 'scripts', 'bootstrap.mjs')

function runsBuild() {
  const isCheckout = existsSync(BOOTSTRAP)
  if (!isCheckout) return true
  return existsSync(join(ROOT, 'node_modules')) && hasFreshBuild(ROOT)
}

if (runsBuild()) {
  await import(pathToFileURL(builtFile(ROOT, SOURCE)).href)
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
