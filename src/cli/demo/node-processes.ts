/**
 * A node process a region, as in production: tokens, keys, files of its own. Whatever goes from one
 * region to another, of nodes and of clients, crosses a proxy that delays it as distance does.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { connect, httpDeployment } from '../../client/http/index.ts'
import type { Config } from '../../config/parse-config.ts'
import { MeridianError } from '../../core/errors.ts'
import type { Statement, StatementResult } from '../../core/ports/store.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { openKeys } from '../../node/files.ts'
import type { NodeReport } from '../../node/node-status.ts'
import { LOCK_FILE, openSchemaLock } from '../../node/schema-lock.ts'
import { STATUS_PATH } from '../../core/wire-http.ts'
import { LAST_LOCAL_SEQ } from '../../schema/system-tables.ts'
import { authSection, clientToken, makeIdentities, type Identities } from '../cluster/identities.ts'
import { sharedSections } from '../cluster/layout.ts'
import { startMeridian, type MeridianProcess } from '../cluster/meridian-process.ts'
import { openDistances, type Distances } from './distances.ts'
import type { RegionsOptions } from './embedded-regions.ts'
import type { RunningRegions } from './running-regions.ts'
import { schema } from './schema.ts'

const ISSUER = 'meridian-demo'
const TOKEN_LIFE_S = 3600
const SETTLE_TIMEOUT_MS = 60_000
const SETTLE_POLL_MS = 20

/** Starts a process for each region, and waits until all are ready. */
export async function openNodeProcesses(options: RegionsOptions): Promise<RunningRegions> {
  const { config, directory, scale, onNotice } = options
  await mkdir(directory, { recursive: true })
  const locked = await openSchemaLock(schema, join(directory, LOCK_FILE))
  await locked.save(systemRuntime.random)
  const { compiled, lock } = locked
  const keys = await openKeys({ config, directory, compiled, onNotice })
  const distances = await openDistances(config, scale)
  const processes = new Map<string, MeridianProcess>()
  const close = async (): Promise<void> => {
    await Promise.all(Array.from(processes.values(), (process) => process.close()))
    await distances.close()
  }
  try {
    const files = ['--directory', directory, '--lock', join(directory, LOCK_FILE)]
    const identities = makeIdentities(ISSUER, config.regions)
    await Promise.all(
      config.regions.map(async (region) => {
        const file = await writeConfig(options, region, identities, distances)
        const key = identities.nodeKeys.get(region)?.privateKeyJwk ?? ''
        const process = await startMeridian({
          name: `node ${region}`,
          args: ['node', '--config', file, '--region', region, ...files],
          logFile: join(directory, 'logs', `${region}.log`),
          environment: { MERIDIAN_NODE_KEY: key },
        })
        processes.set(region, process)
        distances.aim(region, process.url)
      }),
    )
    const token = await clientToken(identities, TOKEN_LIFE_S)
    const nodes = new Processes(config, processes, token)
    await nodes.ready()
    return {
      description: `${config.regions.length} node processes, clients over HTTP`,
      compiled,
      connect: (region) =>
        connect({
          schema,
          region,
          deployment: httpDeployment({
            nodes: distances.urlsFrom(region, nodes.urls()),
            token,
            lock,
            sessionKey: new Uint8Array(randomBytes(32)),
            ...(keys === undefined ? {} : { keyWrapper: keys }),
          }),
        }),
      settle: (settleOptions) => nodes.settle(directory, settleOptions?.timeoutMs),
      progress: () => nodes.progress(),
      readStore: async (region, statements) => readFile(directory, region, statements),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The configuration as one region has it: its peers stand behind their distance. */
async function writeConfig(
  { config, directory }: RegionsOptions,
  region: string,
  identities: Identities,
  distances: Distances,
): Promise<string> {
  const urls = distances.urlsFrom(region, new Map([[region, 'http://127.0.0.1:0']]))
  const nodes = config.regions.map((other) => {
    const publicKey = identities.nodeKeys.get(other)?.publicKey
    return [other, { url: urls[other], publicKey }] as const
  })
  const content = {
    ...sharedSections(config),
    commitLog: config.commitLog,
    schema: schemaModule(),
    nodes: Object.fromEntries(nodes),
    auth: authSection(identities),
  }
  const file = join(directory, `${region}.meridian.json`)
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`)
  return file
}

function schemaModule(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, isSource ? 'schema.ts' : 'schema.js')
}

/** Reads the file of a region's store beside its node: SQLite lets readers in. */
function readFile(
  directory: string,
  region: string,
  statements: readonly Statement[],
): readonly StatementResult[] {
  const file = new Database(join(directory, region, 'store.db'), { readonly: true })
  try {
    return statements.map(({ sql, args }) => ({
      rows: file
        .prepare(sql)
        .raw()
        .all(...args) as StatementResult['rows'],
      rowsAffected: 0,
    }))
  } finally {
    file.close()
  }
}

/** The running nodes, asked over HTTP how they stand. */
class Processes {
  readonly #config: Config
  readonly #processes: ReadonlyMap<string, MeridianProcess>
  readonly #token: string

  constructor(config: Config, processes: ReadonlyMap<string, MeridianProcess>, token: string) {
    this.#config = config
    this.#processes = processes
    this.#token = token
  }

  urls(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#processes, ([region, { url }]) => [region, url]))
  }

  async ready(): Promise<void> {
    await poll(SETTLE_TIMEOUT_MS, async () => {
      const waiting = (await this.#reports()).flatMap(({ checks }) =>
        checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.waitsFor}`),
      )
      return waiting
    })
  }

  async progress(): Promise<Awaited<ReturnType<RunningRegions['progress']>>> {
    return (await this.#reports()).flatMap((report) => report.regions)
  }

  /** Nothing is on its way once streams, logs and views are at the ends of the stores, twice. */
  async settle(directory: string, timeoutMs = SETTLE_TIMEOUT_MS): Promise<void> {
    let before = ''
    await poll(timeoutMs, async () => {
      const regions = (await this.#reports()).flatMap((report) => report.regions)
      const ends = new Map(regions.map(({ region }) => [region, endOf(directory, region)]))
      const strongEnd = Math.max(...regions.map((region) => region.strongIndex))
      const lagging = regions.flatMap((at) => {
        const end = ends.get(at.region) ?? 0
        const streams = at.imports.filter((one) => one.position < (ends.get(one.from) ?? 0))
        return [
          ...(at.viewPosition < end ? [`views of ${at.region}`] : []),
          ...(at.relayPosition < end ? [`the change log of ${at.region}`] : []),
          ...(at.strongIndex < strongEnd ? [`the strong log in ${at.region}`] : []),
          ...streams.map((one) => `${one.from} in ${at.region}`),
        ]
      })
      const now = JSON.stringify([strongEnd, ...ends.values()])
      // What arrived meanwhile may have moved others on: look twice.
      if (lagging.length === 0 && now !== before) lagging.push('what has just arrived')
      before = now
      return lagging
    })
  }

  async #reports(): Promise<readonly NodeReport[]> {
    return Promise.all(
      this.#config.regions.map(async (region) => {
        const process = this.#processes.get(region)
        if (process === undefined) throw new Error(`No process serves ${region}.`)
        process.requireRunning()
        const response = await fetch(`${process.url}${STATUS_PATH}`, {
          headers: { authorization: `Bearer ${this.#token}` },
        })
        return (await response.json()) as NodeReport
      }),
    )
  }
}

function endOf(directory: string, region: string): number {
  const [end] = readFile(directory, region, [LAST_LOCAL_SEQ])
  return Number(end?.rows[0]?.[0])
}

/** Asks until nothing is missing any more. @throws MeridianError `DEADLINE_EXCEEDED` naming what is */
async function poll(timeoutMs: number, missing: () => Promise<readonly string[]>): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const left = await missing()
    if (left.length === 0) return
    if (performance.now() > deadlineMs) {
      throw new MeridianError('DEADLINE_EXCEEDED', `Still on its way: ${left.join('; ')}.`, {
        fix: 'Look at the logs of the nodes.',
      })
    }
    await new Promise((resolve) => {
      setTimeout(resolve, SETTLE_POLL_MS)
    })
  }
}
