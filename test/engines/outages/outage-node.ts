/** A node as a process, on engines that a test stops, breaks or replaces under it. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { connect, type Database } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import { READY_PATH, STATUS_PATH } from '../../../src/core/wire-http.ts'
import type { NodeReport, RegionReport } from '../../../src/node/node-status.ts'
import { freePorts } from '../../support/free-ports.ts'
import { schema } from '../../support/node-schema.ts'
import { startProgram, type RunningProgram } from '../../support/program.ts'
import { until } from '../../support/until.ts'

export const HOME = 'eu-west'
export const TENANT = 'acme'
/** For anything that takes a few seconds, on a machine that is busy. */
export const LONG_MS = 240_000
/** Of a call that has no reason to wait. */
export const DEADLINE_MS = 60_000
/** Longer than the node asks an etcd that is away. */
const SHORT_DEADLINE_MS = 10_000

export type Client = Database<typeof schema>

/** The sections of the configuration that name engines. */
export interface EngineSections {
  readonly etcd: Readonly<Record<string, unknown>>
  readonly kafka?: Readonly<Record<string, unknown>>
  readonly redis?: Readonly<Record<string, unknown>>
}

/** A line of a node's log. */
export interface NodeLine {
  readonly level: string
  readonly event: string
  readonly [field: string]: unknown
}

/** A running node. */
export interface OutageNode {
  readonly program: RunningProgram
  lines(): readonly NodeLine[]
  /** Resolves once a line of that event has all these texts in it. */
  says(event: string, ...texts: readonly string[]): Promise<void>
  report(): Promise<NodeReport>
  /** How a region stands. */
  region(name?: string): Promise<RegionReport>
  /** Resolves once it is ready. */
  ready(): Promise<void>
  isReady(): Promise<boolean>
  /** Resolves once the region misses nothing: logs, views, topics and cache have all changes. */
  whole(name?: string): Promise<void>
  client(region?: string): Promise<Client>
  /** Ends it in order; fails where it said, or ended, as no node should. */
  stop(expectedErrors?: RegExp): Promise<void>
}

/** A place for a node that is started several times. */
export class NodePlace {
  readonly name = `outage-${randomBytes(4).toString('hex')}`
  readonly directory = mkdtempSync(join(tmpdir(), 'meridian-outage-'))
  readonly #regions: readonly string[]
  #port = 0

  constructor(regions: readonly string[] = [HOME]) {
    this.#regions = regions
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts the node; resolves once it listens. It ends with the test. */
  async start(
    sections: EngineSections,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<OutageNode> {
    const [port = 0] = await freePorts(1)
    this.#port = port
    const configFile = join(this.directory, 'meridian.yaml')
    writeFileSync(configFile, JSON.stringify(this.#config(sections)))
    const args = ['node', '--config', configFile, '--region', HOME, '--json']
    const program = startProgram('src/cli/main.ts', args, { environment })
    await program.prints('"event":"listening"')
    return new Running(program, this.url)
  }

  #config({ etcd, kafka, redis }: EngineSections): object {
    const byRegion = (section: object | undefined): object =>
      section === undefined
        ? {}
        : Object.fromEntries(this.#regions.map((region) => [region, section]))
    return {
      name: this.name,
      regions: this.#regions,
      schema: resolve('test/support/node-schema.ts'),
      data: { directory: join(this.directory, 'data') },
      nodes: byRegion({ url: this.url }),
      commitLog: { leader: HOME, etcd },
      changeLogs: byRegion(kafka),
      caches: byRegion(redis),
    }
  }
}

class Running implements OutageNode {
  readonly program: RunningProgram
  readonly #url: string

  constructor(program: RunningProgram, url: string) {
    this.program = program
    this.#url = url
  }

  lines(): readonly NodeLine[] {
    const text = this.program.stderr()
    // The last line may be half there.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    return whole
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as NodeLine)
  }

  says(event: string, ...texts: readonly string[]): Promise<void> {
    return until(() => {
      const lines = this.lines().filter((line) => line.event === event)
      const isSaid = lines.some((line) => texts.every((one) => JSON.stringify(line).includes(one)))
      if (!isSaid) throw new Error(`no ${event} with ${texts}:\n${this.program.stderr()}`)
    }, LONG_MS)
  }

  async report(): Promise<NodeReport> {
    return (await (await fetch(this.#url + STATUS_PATH)).json()) as NodeReport
  }

  async region(name = HOME): Promise<RegionReport> {
    const { regions } = await this.report()
    const found = regions.find(({ region }) => region === name)
    if (found === undefined) throw new Error(`${name} is not open`)
    return found
  }

  async isReady(): Promise<boolean> {
    return (await fetch(this.#url + READY_PATH)).status === 200
  }

  ready(): Promise<void> {
    return until(async () => {
      if (await this.isReady()) return
      throw new Error(JSON.stringify((await this.report()).checks) + this.program.stderr())
    }, LONG_MS)
  }

  whole(name = HOME): Promise<void> {
    return until(async () => {
      const report = await this.region(name)
      if (!isWhole(report)) throw new Error(JSON.stringify(report) + this.program.stderr())
    }, LONG_MS)
  }

  async client(region = HOME): Promise<Client> {
    const deployment = httpDeployment({ nodes: { [region]: this.#url } })
    const db = await connect({ schema, region, deployment })
    onTestFinished(() => db.close())
    return db
  }

  async stop(expectedErrors?: RegExp): Promise<void> {
    this.program.kill('SIGTERM')
    const { code, stderr } = await this.program.ended
    const complaints = stderr
      .split('\n')
      .filter((line) => /unhandled|uncaught|"level":"error"|warning/i.test(line))
      .filter((line) => expectedErrors?.test(line) !== true)
    if (complaints.length > 0) throw new Error(complaints.join('\n'))
    if (code !== 0) throw new Error(`It ended with ${code}:\n${stderr}`)
  }
}

function isWhole({
  relayError,
  relayPosition,
  viewPosition,
  publisher,
  cache,
}: RegionReport): boolean {
  const isAt = (one: {
    readonly error: string | null
    readonly position: number | null
  }): boolean => one.error === null && one.position === relayPosition
  return (
    relayError === null &&
    viewPosition === relayPosition &&
    (publisher === null || isAt(publisher)) &&
    (cache === null || cache === undefined || (cache.inUse && isAt(cache)))
  )
}

/** A tenant, and the first rows of it. */
export async function prepare(db: Client): Promise<void> {
  await db.tenants.create({ id: TENANT, home: HOME }, { deadlineMs: DEADLINE_MS })
}

interface CallError extends Error {
  readonly code?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** The error that a call ends with. */
async function failure(call: Promise<unknown>): Promise<CallError> {
  return call.then(
    () => {
      throw new Error('The call succeeded.')
    },
    (error: unknown) => error as CallError,
  )
}

/** A strong write fails in time, and says why: that too where it was repeated until its time was over. */
export function strongWriteSays(
  db: Client,
  id: string,
  code: string,
  ...texts: readonly string[]
): Promise<void> {
  return until(async () => {
    const call = { idempotencyKey: id, deadlineMs: SHORT_DEADLINE_MS }
    const chain = causesOf(await failure(db.plans.insert({ id, seats: 1 }, call)))
    const isSaid = chain.some(
      (error) =>
        (error.code === code || error.details?.['log'] === code) &&
        texts.every((text) => error.message.includes(text)),
    )
    if (!isSaid) throw new Error(chain.map(String).join('\n'))
  }, LONG_MS)
}

/** The error, what caused it, and so on. */
function causesOf(error: CallError | undefined): readonly CallError[] {
  return error === undefined ? [] : [error, ...causesOf(error.cause as CallError | undefined)]
}
