/** One region whose files are on a disk: a node as a process of its own, its log in a file or in etcd. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import { startEtcd, type EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { freePorts } from '../../../src/cluster/engines/free-ports.ts'
import { MeridianProcess } from '../../../src/cluster/meridian-process.ts'
import { READY_PATH } from '../../../src/core/wire-http.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { LOCK_FILE, openSchemaLock } from '../../../src/node/schema-lock.ts'
import { until } from '../../support/until.ts'
import type { ReadinessReport } from '../../../src/node/readiness.ts'
import { schema, type NotesDatabase } from './schema.ts'

const REGION = 'eu-west'
export const TENANT = 'acme'

/** How it runs. */
export interface DeploymentOptions {
  /** Where configuration and logs of processes go: not on the disk. */
  readonly folder: string
  /** The disk: the data of all processes. */
  readonly disk: string
  /** Where the order of strong writes is kept. */
  readonly log: 'file' | 'etcd'
  /** `normal`: the must-fail switch. Nothing is forced to the disk at a commit. */
  readonly synchronous: 'full' | 'normal'
}

const READY_MS = 120_000
const SCHEMA_MODULE = fileURLToPath(new URL('schema.ts', import.meta.url))
const RELAXED = fileURLToPath(new URL('../programs/relaxed-sync.cjs', import.meta.url))

/** A deployment whose processes can be killed and started again. */
export class Deployment {
  readonly #node: MeridianProcess
  readonly #url: string
  readonly #etcd: EtcdEngine | undefined

  private constructor(node: MeridianProcess, url: string, etcd: EtcdEngine | undefined) {
    this.#node = node
    this.#url = url
    this.#etcd = etcd
  }

  /** Starts one on an empty disk. */
  static async open(options: DeploymentOptions): Promise<Deployment> {
    const { folder, disk, log, synchronous } = options
    mkdirSync(folder, { recursive: true })
    const etcd =
      log === 'file'
        ? undefined
        : await startEtcd({ directory: join(disk, 'etcd'), logFile: join(folder, 'etcd.log') })
    const [port] = await freePorts(1)
    const url = `http://127.0.0.1:${port}`
    const configFile = join(folder, 'meridian.json')
    const config = {
      regions: [REGION],
      schema: SCHEMA_MODULE,
      nodes: { [REGION]: { url } },
      data: { directory: join(disk, 'data') },
      ...(etcd === undefined
        ? {}
        : { commitLog: { etcd: { members: { [REGION]: [etcd.address] } } } }),
    }
    writeFileSync(configFile, JSON.stringify(config, null, 2))
    await (await openSchemaLock(schema, join(folder, LOCK_FILE))).save(systemRuntime.random)
    const node = new MeridianProcess({
      name: 'node',
      args: ['node', '--config', configFile, '--region', REGION],
      logFile: join(folder, 'node.log'),
      environment: synchronous === 'full' ? {} : { NODE_OPTIONS: `--require "${RELAXED}"` },
    })
    const deployment = new Deployment(node, url, etcd)
    const stopped = await deployment.#startNode()
    if (stopped.length > 0) throw new Error(`On an empty disk: ${stopped.join('; ')}`)
    return deployment
  }

  /**
   * Stops all its processes where they are, within system calls too; none of them does anything after
   * this. Whoever is without power answers nobody.
   */
  async freeze(): Promise<void> {
    const pids = [this.#node.pid, ...(this.#etcd === undefined ? [] : [this.#etcd.pid])]
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    await until(() => {
      const moving = pids.filter((pid) => !isFrozen(pid))
      if (moving.length > 0) throw new Error(`Processes ${moving.join(', ')} still run.`)
    })
  }

  /** Kills all its processes. */
  async kill(): Promise<void> {
    await Promise.all([this.#node.kill(), this.#etcd?.kill()])
  }

  /**
   * Starts it again on what the disk holds. Gives what it waits for in vain: a part of it has stopped
   * for good, and the rest serves. @throws MeridianError with the end of the log
   */
  async start(): Promise<readonly string[]> {
    await this.#etcd?.restart()
    return this.#startNode()
  }

  /** A client that holds nothing of what was before. */
  connect(): Promise<NotesDatabase> {
    const nodes = { [REGION]: this.#url }
    return connect({ schema, region: REGION, deployment: httpDeployment({ nodes }) })
  }

  async #startNode(): Promise<readonly string[]> {
    await this.#node.start()
    let stopped: readonly string[] = []
    await until(async () => {
      this.#node.requireRunning()
      const response = await fetch(this.#url + READY_PATH)
      const { ready, checks } = (await response.json()) as ReadinessReport
      const waitsFor = checks.flatMap((check) => check.waitsFor ?? [])
      stopped = waitsFor.some((text) => text.startsWith('a restart: ')) ? waitsFor : []
      if (!ready && stopped.length === 0) throw new Error(`not ready: ${waitsFor.join('; ')}`)
    }, READY_MS)
    return stopped
  }
}

/** Whether no thread of a process runs: it is stopped, or will be before it leaves the kernel. */
function isFrozen(pid: number): boolean {
  const tasks = join('/proc', String(pid), 'task')
  return readdirSync(tasks).every((task) => {
    const text = readFileSync(join(tasks, task, 'stat'), 'utf8')
    // The name, in parentheses, may hold anything.
    return 'TtDZX'.includes(text.slice(text.lastIndexOf(')')).charAt(2))
  })
}

/** Makes the tenant and the rows that count. */
export async function prepare(db: NotesDatabase): Promise<void> {
  await db.tenants.create({ id: TENANT, home: REGION })
  const sum = { id: 'all', writes: 0 }
  await db.strongSums.insert(sum)
  await db.tenant(TENANT).pinnedSums.insert(sum)
  await db.tenant(TENANT).eventualSums.insert(sum)
}
