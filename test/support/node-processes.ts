/** Nodes as real processes of `meridian node`, and clients of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { connect, type Database } from '../../src/client/index.ts'
import { httpDeployment } from '../../src/client/http/http-deployment.ts'
import { DEFAULT_REGIONS } from '../../src/config/topology.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openSchemaLock } from '../../src/node/schema-lock.ts'
import type { Schema } from '../../src/schema/define.ts'
import { freePorts } from './free-ports.ts'
import { startProgram, type ProgramOptions, type RunningProgram } from './program.ts'

/** A node's process. */
export interface NodeProcess extends RunningProgram {
  readonly region: string
}

/** How a node is started. */
export interface StartOptions extends ProgramOptions {
  /** The program that is `meridian`; its main program by default. */
  readonly program?: string
  /** More options of `meridian node`. */
  readonly arguments?: readonly string[]
}

/** Processes that were laid out. */
export interface Processes<S extends Schema = Schema> {
  readonly directory: string
  readonly configFile: string
  url(region: string): string
  /** Starts the node of a region; resolves once it listens. */
  start(region: string, options?: StartOptions): Promise<NodeProcess>
  /** A client; it ends with the test. */
  connect(region: string): Promise<Database<S>>
  /** Lines of any process so far that no node should ever write. */
  complaints(): readonly string[]
}

const MAIN = 'src/cli/main.ts'

/** Lays out a folder with a configuration of the default regions, each with a process of its own. */
export async function layProcesses<S extends Schema>(
  schema: S,
  schemaModule: string,
  sections: Readonly<Record<string, unknown>> = {},
): Promise<Processes<S>> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-processes-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const ports = await freePorts(DEFAULT_REGIONS.length)
  const urls = Object.fromEntries(
    DEFAULT_REGIONS.map((region, i) => [region, `http://127.0.0.1:${ports[i]}`]),
  )
  const nodes = Object.fromEntries(Object.entries(urls).map(([region, url]) => [region, { url }]))
  const configFile = join(directory, 'meridian.yaml')
  const data = { directory: join(directory, 'data') }
  const text = { regions: DEFAULT_REGIONS, schema: resolve(schemaModule), nodes, data, ...sections }
  writeFileSync(configFile, JSON.stringify(text, null, 2))
  const lockFile = join(directory, 'meridian.lock.json')
  await (await openSchemaLock(schema, lockFile)).save(systemRuntime.random)
  const started: RunningProgram[] = []
  return {
    directory,
    configFile,
    url: (region) => urls[region] ?? '',
    async start(region, options = {}) {
      const args = ['node', '--config', configFile, '--region', region, '--json']
      const all = [...args, ...(options.arguments ?? [])]
      const program = startProgram(options.program ?? MAIN, all, options)
      started.push(program)
      await program.prints('"event":"listening"')
      return { ...program, region }
    },
    async connect(region) {
      const db = await connect({ schema, region, deployment: httpDeployment({ nodes: urls }) })
      onTestFinished(() => db.close())
      return db
    },
    complaints: () =>
      started
        .flatMap((program) => program.stderr().split('\n'))
        .filter((line) => /unhandled|uncaught|"level":"error"|warning/i.test(line)),
  }
}
