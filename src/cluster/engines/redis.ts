/** Redis as a native process: a server, a replica of one, or one that is part of a cluster. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import {
  openFolder,
  RunningEngine,
  startWithPorts,
  type Engine,
  type EngineOptions,
  type EnginePlan,
} from './engine.ts'
import type { ServerTls } from './etcd.ts'
import { findProgram } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { passedEnvironment } from './kept-process.ts'
import { askRedis, type RedisAsk } from './redis-ask.ts'

export interface RedisOptions extends EngineOptions {
  /** Default: a free one. */
  readonly port?: number | undefined
  /** What clients must pass: `requirepass`. */
  readonly password?: string | undefined
  readonly tls?: ServerTls | undefined
  /** `host:port` of the server that it follows. */
  readonly replicaOf?: string | undefined
  /** Part of a cluster; the port of its bus. */
  readonly clusterPort?: number | undefined
  /** More lines of its configuration. */
  readonly settings?: readonly string[] | undefined
}

/** A running Redis. */
export interface RedisEngine extends Engine {
  readonly port: number
  /** The answer to one command, as text. @throws MeridianError `CACHE_UNAVAILABLE` */
  ask(...command: readonly string[]): Promise<string>
}

const OWNER_ONLY = 0o600

/** Starts one. @throws MeridianError `CONFIG_INVALID`, `CACHE_UNAVAILABLE` */
export async function startRedis(options: RedisOptions = {}): Promise<RedisEngine> {
  return startWithPorts(
    options.port !== undefined,
    async () => {
      const [free = 0] = options.port === undefined ? await freePorts(1) : [options.port]
      return makeRedis(free, options)
    },
    options.signal,
  )
}

async function makeRedis(port: number, options: RedisOptions): Promise<RunningRedis> {
  return makeRedisProcess({
    kind: 'redis',
    port,
    options,
    password: options.password,
    lines: serverLines(port, options),
    args: [],
  })
}

/** What differs between a server and a Sentinel, which are one program. */
interface RedisProcess {
  readonly kind: 'redis' | 'sentinel'
  readonly port: number
  readonly options: EngineOptions & { readonly tls?: ServerTls | undefined }
  readonly password: string | undefined
  readonly lines: readonly string[]
  readonly args: readonly string[]
}

/** Lays out a process of the program `redis-server`; it is not started. */
export async function makeRedisProcess(spec: RedisProcess): Promise<RunningRedis> {
  const { kind, port, options, password } = spec
  const { path, version } = await findProgram('redis')
  const folder = await openFolder(kind, options.directory)
  // In a file, because whoever lists processes sees their arguments.
  const file = join(folder.path, `${kind}.conf`)
  const common = [`bind 127.0.0.1`, `dir ${JSON.stringify(folder.path)}`, `daemonize no`]
  await writeFile(file, `${[...common, ...spec.lines].join('\n')}\n`, { mode: OWNER_ONLY })
  const ask = { port, password, tls: options.tls }
  return new RunningRedis(
    {
      name: kind,
      address: `127.0.0.1:${port}`,
      version,
      folder,
      logFile: options.logFile ?? join(folder.path, `${kind}.log`),
      process: {
        command: path,
        args: [file, ...spec.args],
        environment: passedEnvironment(),
        directory: folder.path,
      },
      failure: 'CACHE_UNAVAILABLE',
      probe: (pid) => requireProcess(ask, pid),
    },
    ask,
  )
}

/** Another Redis may have the port: then this one is about to end. */
async function requireProcess(ask: RedisAsk, pid: number): Promise<void> {
  const info = await askRedis(ask, ['INFO', 'server'])
  if (/^process_id:(\d+)/m.exec(info)?.[1] === `${pid}`) return
  throw new MeridianError('CACHE_UNAVAILABLE', `Another Redis has port ${ask.port}.`)
}

export class RunningRedis extends RunningEngine implements RedisEngine {
  readonly port: number
  readonly #ask: RedisAsk

  constructor(plan: EnginePlan, ask: RedisAsk) {
    super(plan)
    this.port = ask.port
    this.#ask = ask
  }

  ask(...command: readonly string[]): Promise<string> {
    return askRedis(this.#ask, command)
  }
}

/** Ports of a server or a Sentinel, plain or with TLS. */
export function portLines(port: number, tls: ServerTls | undefined): readonly string[] {
  if (tls === undefined) return [`port ${port}`]
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${JSON.stringify(tls.certificate)}`,
    `tls-key-file ${JSON.stringify(tls.key)}`,
    `tls-ca-cert-file ${JSON.stringify(tls.ca)}`,
    `tls-auth-clients ${tls.requireClientCertificate === true ? 'yes' : 'no'}`,
    'tls-replication yes',
  ]
}

function serverLines(port: number, options: RedisOptions): readonly string[] {
  const { password, replicaOf, clusterPort } = options
  const [host, replicaPort] = replicaOf?.split(':') ?? []
  return [
    ...portLines(port, options.tls),
    // A cache is filled anew from the store: files would only slow it down.
    'appendonly no',
    'save ""',
    'maxmemory-policy volatile-lru',
    ...(password === undefined ? [] : [`requirepass ${JSON.stringify(password)}`]),
    // Its own password is what a primary asks of it, too: they change places.
    ...(password === undefined ? [] : [`masterauth ${JSON.stringify(password)}`]),
    ...(host === undefined
      ? []
      : [`replicaof ${host} ${replicaPort}`, 'repl-diskless-sync-delay 0']),
    ...(clusterPort === undefined
      ? []
      : [
          'cluster-enabled yes',
          `cluster-port ${clusterPort}`,
          'cluster-config-file nodes.conf',
          'cluster-node-timeout 3000',
          ...(options.tls === undefined ? [] : ['tls-cluster yes']),
        ]),
    ...(options.settings ?? []),
  ]
}
