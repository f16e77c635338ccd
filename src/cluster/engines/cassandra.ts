/** Cassandra as native processes: a cluster of one node in each data center. Linux alone. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openFolder, RunningEngine, type Engine, type EnginePlan } from './engine.ts'
import {
  cassandraArguments,
  cassandraLogging,
  cassandraPlace,
  cassandraYaml,
  type CassandraPorts,
} from './cassandra-config.ts'
import { CASSANDRA_VERSION, cassandraJars, type CassandraJars } from './cassandra-jars.ts'
import { requireCassandra } from './cassandra-probe.ts'
import { findProgram } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { passedEnvironment } from './kept-process.ts'

export interface CassandraClusterOptions {
  /** Names of data centers, of which each gets a node. The first is the one that others ask first. */
  readonly dataCenters: readonly string[]
  /** Each node has a folder of its data center's name in it. Default: temporary folders. */
  readonly directory?: string | undefined
  /** Of each node. Default 512. */
  readonly heapMb?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A running node. */
export interface CassandraEngine extends Engine {
  readonly dataCenter: string
  /** An address of the loopback interface that is its alone. */
  readonly host: string
  readonly ports: CassandraPorts
}

/** Running nodes. */
export interface CassandraCluster {
  readonly nodes: readonly CassandraEngine[]
  /** Ends and starts all again: the first, then the others. None is without the first for long. */
  restart(): Promise<void>
  close(): Promise<void>
}

const HEAP_MB = 512
const FIRST_HOST = 101
const OWNER_ONLY = 0o600
/** Data centers share no rows' tokens: each has all rows, whatever the distance of its token. */
const TOKEN_STEP = 1_000

/** Starts a cluster. @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE` */
export async function startCassandraCluster(
  options: CassandraClusterOptions,
): Promise<CassandraCluster> {
  const [java, jars, [storage = 0, native = 0]] = await Promise.all([
    findProgram('java'),
    cassandraJars(),
    freePorts(2),
  ])
  const common = { options, java: java.path, jars, ports: { storage, native } }
  const nodes = await Promise.all(
    options.dataCenters.map((dataCenter, index) => layOut({ ...common, dataCenter, index })),
  )
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()))
  }
  const [first, ...others] = nodes
  try {
    // The others join what it has begun.
    await first?.start(options.signal)
    await Promise.all(others.map((node) => node.start(options.signal)))
  } catch (error) {
    await close()
    throw error
  }
  const restart = async (): Promise<void> => {
    await first?.restart()
    await Promise.all(others.map((node) => node.restart()))
  }
  return { nodes, restart, close }
}

class RunningNode extends RunningEngine implements CassandraEngine {
  readonly dataCenter: string
  readonly host: string
  readonly ports: CassandraPorts

  constructor(plan: EnginePlan, dataCenter: string, host: string, ports: CassandraPorts) {
    super(plan)
    this.dataCenter = dataCenter
    this.host = host
    this.ports = ports
  }
}

interface NodeSpec {
  readonly options: CassandraClusterOptions
  readonly java: string
  readonly jars: CassandraJars
  readonly ports: CassandraPorts
  readonly dataCenter: string
  readonly index: number
}

async function layOut(spec: NodeSpec): Promise<RunningNode> {
  const { options, java, jars, ports, dataCenter, index } = spec
  const directory =
    options.directory === undefined ? undefined : join(options.directory, dataCenter)
  const folder = await openFolder('cassandra', directory)
  const host = `127.0.0.${FIRST_HOST + index}`
  const dataFolder = join(folder.path, 'data')
  const settingsFolder = join(folder.path, 'settings')
  await mkdir(settingsFolder, { recursive: true })
  const seedHost = `127.0.0.${FIRST_HOST}`
  const token = index * TOKEN_STEP
  const files = {
    'cassandra.yaml': cassandraYaml({ host, seedHost, ports, token, dataFolder }),
    'cassandra-rackdc.properties': cassandraPlace(dataCenter),
    'logback.xml': cassandraLogging(),
  }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(settingsFolder, name), text, { mode: OWNER_ONLY })
  }
  const heapMb = options.heapMb ?? HEAP_MB
  const { folder: jarFolder, meterJar } = jars
  const plan: EnginePlan = {
    name: `cassandra ${dataCenter}`,
    address: `${host}:${ports.native}`,
    version: CASSANDRA_VERSION,
    folder,
    logFile: join(folder.path, 'cassandra.log'),
    process: {
      command: java,
      args: cassandraArguments({ jars: jarFolder, meterJar, settingsFolder, dataFolder, heapMb }),
      environment: passedEnvironment(),
      directory: folder.path,
    },
    failure: 'STORE_UNAVAILABLE',
    probe: () => requireCassandra(host, ports.native),
  }
  return new RunningNode(plan, dataCenter, host, ports)
}
