/** Kafka as a native process: a broker in KRaft mode, which is its own controller. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  openFolder,
  RunningEngine,
  startWithPorts,
  type Engine,
  type EngineFolder,
  type EngineOptions,
  type EnginePlan,
} from './engine.ts'
import type { ServerTls } from './etcd.ts'
import { findProgram } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { KAFKA_VERSION, kafkaJars } from './kafka-jars.ts'
import { requireBroker } from './kafka-probe.ts'
import {
  keyStoreFile,
  scramArguments,
  serverProperties,
  type KafkaPorts,
  type KafkaUser,
} from './kafka-properties.ts'
import { passedEnvironment } from './kept-process.ts'
import { runToEnd } from './run-to-end.ts'

export interface KafkaOptions extends EngineOptions {
  /** Of the port for clients. Default: a free one. */
  readonly port?: number | undefined
  /** Clients must be one of these. Default: anyone. */
  readonly users?: readonly KafkaUser[] | undefined
  readonly tls?: ServerTls | undefined
  /** Default 320. */
  readonly heapMb?: number | undefined
  /** More lines of `server.properties`. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

/** A running broker. */
export interface KafkaEngine extends Engine {
  /** `host:port` where it asks for neither passwords nor TLS. */
  readonly internalAddress: string
}

const HEAP_MB = 320
const OWNER_ONLY = 0o600
/** It lives for seconds or is idle most of the time: small and quick to start beats fast. */
const JVM_ARGUMENTS = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData']
const LOG_ARGUMENTS = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
]
const FORMATTER = ['kafka.tools.StorageTool', 'format']
const FORMAT_TIMEOUT_MS = 120_000

/** Starts a broker. @throws MeridianError `CONFIG_INVALID`, `LOG_UNAVAILABLE` */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaEngine> {
  return startWithPorts(
    options.port !== undefined,
    async () => {
      const [clients = 0, internal = 0, controller = 0] = await freePorts(3)
      return makeBroker({ clients: options.port ?? clients, internal, controller }, options)
    },
    options.signal,
  )
}

class RunningBroker extends RunningEngine implements KafkaEngine {
  readonly internalAddress: string

  constructor(plan: EnginePlan, internalAddress: string) {
    super(plan)
    this.internalAddress = internalAddress
  }
}

async function makeBroker(ports: KafkaPorts, options: KafkaOptions): Promise<RunningBroker> {
  const [java, jars] = await Promise.all([findProgram('java'), kafkaJars()])
  const folder = await openFolder('kafka', options.directory)
  const logFile = options.logFile ?? join(folder.path, 'kafka.log')
  const layout = await layOut(folder, ports, options)
  const classPath = ['-cp', join(jars, '*')]
  const start = [...JVM_ARGUMENTS, ...LOG_ARGUMENTS, ...classPath]
  if (!layout.isFormatted) {
    await format({ java: java.path, folder, logFile, start, layout, users: options.users ?? [] })
  }
  const heap = options.heapMb ?? HEAP_MB
  return new RunningBroker(
    {
      name: 'kafka',
      address: `127.0.0.1:${ports.clients}`,
      version: KAFKA_VERSION,
      folder,
      logFile,
      process: {
        command: java.path,
        args: [`-Xmx${heap}m`, `-Xms${Math.min(heap, 96)}m`, ...start, 'kafka.Kafka', layout.file],
        environment: passedEnvironment(),
        directory: folder.path,
      },
      failure: 'LOG_UNAVAILABLE',
      probe: () => requireBroker(ports.internal),
    },
    `127.0.0.1:${ports.internal}`,
  )
}

interface Layout {
  /** `server.properties`. */
  readonly file: string
  readonly isFormatted: boolean
}

/** Writes what the broker reads. */
async function layOut(
  folder: EngineFolder,
  ports: KafkaPorts,
  { users = [], tls, properties = {} }: KafkaOptions,
): Promise<Layout> {
  const dataFolder = join(folder.path, 'data')
  const file = join(folder.path, 'server.properties')
  const text = serverProperties({ ports, dataFolder, users, tls, properties })
  await writeFile(file, text, { mode: OWNER_ONLY })
  if (tls !== undefined) {
    const store = `${readFileSync(tls.certificate, 'utf8')}\n${readFileSync(tls.key, 'utf8')}`
    await writeFile(keyStoreFile(dataFolder), store, { mode: OWNER_ONLY })
  }
  return { file, isFormatted: existsSync(join(dataFolder, 'meta.properties')) }
}

interface Format {
  readonly java: string
  readonly folder: EngineFolder
  readonly logFile: string
  readonly start: readonly string[]
  readonly layout: Layout
  readonly users: readonly KafkaUser[]
}

/** A new data folder must be told its cluster's id before a broker takes it. */
async function format({ java, folder, logFile, start, layout, users }: Format): Promise<void> {
  const clusterId = randomBytes(16).toString('base64url')
  await runToEnd({
    command: java,
    args: [
      ...start,
      ...FORMATTER,
      `--cluster-id=${clusterId}`,
      '-c',
      layout.file,
      ...scramArguments(users),
    ],
    environment: passedEnvironment(),
    ...{ folder, logFile, timeoutMs: FORMAT_TIMEOUT_MS, failure: 'LOG_UNAVAILABLE' },
    problem: 'The data folder of Kafka could not be formatted: it',
  })
}
