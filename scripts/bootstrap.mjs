/**
 * Starts a TypeScript program of this repository on a machine that has only Node and npm:
 *
 *   node scripts/bootstrap.mjs <program.ts> [arguments…]
 *
 * Installs the locked dependencies first when they are missing or out of date. Plain JavaScript
 * and without imports from node_modules, because it runs before there is one.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const OLDEST_NODE = [20, 19]
const INSTALL_LIMIT_MS = 15 * 60_000
const BAR_WIDTH = 30
const TTY_PERIOD_MS = 250
const PLAIN_PERIOD_MS = 5_000

function requireNodeVersion() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
  if (!isOld) return
  console.error(
    `Meridian needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}.`,
  )
  process.exit(1)
}

function lockedPackages(file) {
  if (!existsSync(file)) return {}
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/** Paths of the packages that the lock file asks for and node_modules lacks or has otherwise. */
function missingPackages() {
  const wanted = lockedPackages(join(ROOT, 'package-lock.json'))
  const installed = lockedPackages(join(ROOT, 'node_modules', '.package-lock.json'))
  return Object.keys(wanted).filter((path) => {
    if (path === '') return false
    const found = installed[path]
    // Optional packages are for other platforms, unless they are there.
    if (found === undefined) return wanted[path].optional !== true
    return found.version !== wanted[path].version
  })
}

/** `report(text)` redraws one line on a terminal and prints a line now and then elsewhere. */
function startProgress(describe) {
  const onTerminal = process.stderr.isTTY
  const startedAt = Date.now()
  const draw = () => {
    const { done, total } = describe()
    const filled = Math.round((BAR_WIDTH * done) / total)
    const bar = '#'.repeat(filled) + '.'.repeat(BAR_WIDTH - filled)
    const seconds = Math.round((Date.now() - startedAt) / 1000)
    const line = `  [${bar}] ${done} of ${total} packages, ${seconds} s`
    process.stderr.write(onTerminal ? `\r${line}` : `${line}\n`)
  }
  const timer = setInterval(draw, onTerminal ? TTY_PERIOD_MS : PLAIN_PERIOD_MS)
  return () => {
    clearInterval(timer)
    if (onTerminal) process.stderr.write('\n')
  }
}

function npmCommand() {
  const cli = process.env.npm_execpath
  if (cli !== undefined && /\.[cm]?js$/.test(cli)) return [process.execPath, cli]
  return process.platform === 'win32' ? ['cmd', '/c', 'npm'] : ['npm']
}

function runNpm(args) {
  const [command, ...prefix] = npmCommand()
  return new Promise((settle) => {
    const child = spawn(command, [...prefix, ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: INSTALL_LIMIT_MS,
    })
    let output = ''
    const collect = (chunk) => (output += chunk)
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => settle({ code: 1, output: `${output}${error.message}\n` }))
    child.on('close', (code, signal) =>
      settle({ code: code ?? 1, output: signal ? `${output}ended by ${signal}\n` : output }),
    )
  })
}

async function installIfNeeded() {
  const missing = missingPackages()
  if (missing.length === 0) return
  console.error(`Installing ${missing.length} packages (npm ci), once…`)
  const stop = startProgress(() => ({
    done: missing.filter((path) => existsSync(join(ROOT, path, 'package.json'))).length,
    total: missing.length,
  }))
  // No package here needs its install script: the native parts come prebuilt.
  const flags = ['--ignore-scripts', '--include=dev', '--include=optional', '--no-audit']
  const { code, output } = await runNpm(['ci', ...flags, '--no-fund'])
  stop()
  if (code === 0) return
  console.error(`${output}\nThe installation failed; is the package registry reachable?`)
  process.exit(1)
}

/** Runs the program as a child that shares this terminal, and ends as it ends. */
function run(program, args) {
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  // Bulk loads make much short-lived garbage: a larger nursery lets it die young.
  const flags = ['--max-semi-space-size=64', '--import', loader]
  const child = spawn(process.execPath, [...flags, program, ...args], {
    stdio: 'inherit',
  })
  // The terminal signals the whole group itself; a plain kill reaches only this process.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  process.on('SIGINT', () => {})
  child.on('close', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
  })
}

const [program, ...args] = process.argv.slice(2)
if (program === undefined) {
  console.error('Usage: node scripts/bootstrap.mjs <program.ts> [arguments…]')
  process.exit(2)
}
requireNodeVersion()
await installIfNeeded()
run(resolve(ROOT, program), args)
