/**
 * Rows written by the TypeScript client, read by a Python program with a client of libSQL from PyPI
 * that knows nothing of Meridian.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { connect, httpDeployment, type SchemaLock } from 'meridian/http'
import { schema } from './schema.ts'

const HERE = import.meta.dirname
/** What `npm run check:examples` counts as skipped. */
const SKIPPED = 75

/** Runs a program to its end; its output is passed on. */
function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}.`)
}

/** A Python with the client of `requirements.txt`; undefined, and why, where it cannot be had. */
function preparePython(directory: string): string | undefined {
  if (spawnSync('python3', ['-c', 'import ensurepip, venv']).status !== 0) {
    console.log('SKIPPED: there is no python3 with venv here; nothing was tried.')
    return undefined
  }
  const environment = join(directory, 'python')
  run('python3', ['-m', 'venv', environment])
  const windows = join(environment, 'Scripts', 'python.exe')
  const python = existsSync(windows) ? windows : join(environment, 'bin', 'python')
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
  const install = ['-m', 'pip', 'install', ...quiet, '-r', join(HERE, 'requirements.txt')]
  if (spawnSync(python, install, { stdio: 'inherit' }).status === 0) return python
  console.log('SKIPPED: pip cannot fetch the client of libSQL; nothing was tried.')
  return undefined
}

/** Starts a node, and gives where it listens. It ends when its input does. */
async function startNode(directory: string): Promise<{ child: ChildProcess; url: string }> {
  const program = fileURLToPath(import.meta.resolve('meridian/package.json'))
  const args = ['node', '--config', join(HERE, 'meridian.yaml'), '--region', 'eu-west']
  const files = ['--directory', directory, '--lock', join(directory, 'meridian.lock.json')]
  const child = spawn(
    process.execPath,
    [join(program, '../bin/meridian.mjs'), ...args, ...files, '--json', '--until-stdin-ends'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, url: (JSON.parse(line) as { url: string }).url }
  }
  throw new Error('The node ended before it listened.')
}

async function writeOrders(url: string, directory: string): Promise<void> {
  const lockText = await readFile(join(directory, 'meridian.lock.json'), 'utf8')
  const lock = JSON.parse(lockText) as SchemaLock
  const deployment = httpDeployment({ nodes: { 'eu-west': url }, lock })
  await using db = await connect({ schema, region: 'eu-west', deployment })
  await db.tenants.create({ id: 'seaside', home: 'eu-west' })
  await db.tenant('seaside').orders.insertMany([
    { id: 'o1', thing: 'boat', cents: 95_000 },
    { id: 'o2', thing: 'rope', cents: 900 },
    { id: 'o3', thing: 'rope', cents: 1_250 },
  ])
  // The view follows the rows; a read of it by the client waits until it has.
  console.log('written:', await db.tenant('seaside').view('sales').list())
}

const directory = await mkdtemp(join(tmpdir(), 'meridian-python-'))
try {
  const python = preparePython(directory)
  if (python === undefined) process.exitCode = SKIPPED
  else {
    const { child, url } = await startNode(directory)
    try {
      await writeOrders(url, directory)
      run(python, [join(HERE, 'reader.py'), `${url}/v1/sql/seaside/`])
    } finally {
      const ended = once(child, 'exit')
      child.stdin?.end()
      await ended
    }
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
