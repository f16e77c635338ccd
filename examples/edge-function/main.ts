/**
 * The function as a platform runs it: bundled into one file, in a runtime that has the web's
 * interfaces and nothing of Node, against a node in a process of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EdgeVM } from '@edge-runtime/vm'
import { build } from 'esbuild'
import type { Environment } from './function.ts'

const HERE = import.meta.dirname

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

/** The function in its runtime: requests in, answers out. */
async function load(): Promise<
  (path: string, init: RequestInit, env: Environment) => Promise<Response>
> {
  const { outputFiles } = await build({
    entryPoints: [join(HERE, 'function.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    globalName: 'edge',
    platform: 'browser',
    target: 'es2023',
    write: false,
  })
  const [file] = outputFiles
  if (file === undefined) throw new Error('The bundler wrote nothing.')
  console.log(`the function: ${Math.round(file.contents.length / 1000)} kB`)
  return new EdgeVM().evaluate(
    `${file.text}\n(path, init, env) => edge.handle(new Request('https://go.example' + path, init), env)`,
  )
}

const directory = await mkdtemp(join(tmpdir(), 'meridian-edge-'))
const { child, url } = await startNode(directory)
try {
  const call = await load()
  const env = { region: 'eu-west', nodes: { 'eu-west': url, 'us-east': url } }
  const body = 'https://en.wikipedia.org/wiki/Meridian'
  console.log('make a link:', (await call('/meridian', { method: 'PUT', body }, env)).status)
  console.log('make it again:', (await call('/meridian', { method: 'PUT', body }, env)).status)
  const found = await call('/meridian', { method: 'GET' }, env)
  console.log('follow it:', found.status, found.headers.get('location'))
  console.log('follow another:', (await call('/nowhere', { method: 'GET' }, env)).status)
} finally {
  const ended = once(child, 'exit')
  child.stdin?.end()
  await ended
  await rm(directory, { recursive: true, force: true })
}
