/** A bare HTTP server of Node on loopback that runs Meridian's point read: what a node costs at least. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { sourceLoader } from '../../src/cluster/engines/source-loader.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { HttpServerNews, HttpServerTask } from './http-server-program.ts'
import { inTime } from './in-time.ts'
import { makeFolder, ONE_DISK } from './libsql-client.ts'
import { makeLibsqlStore, type LibsqlStore } from './libsql-store.ts'
import { loadPackage } from './optional-package.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** Where its file is. */
export interface HttpPeerOptions {
  /** On the disk that is measured; a folder of its own is made in it, and removed at the end. */
  readonly directory: string
  /** The region that it stands in, for results. */
  readonly region: string
}

/** A server in a process of its own. */
export interface HttpPeer extends Peer {
  /** `host:port` where it listens. */
  readonly address: string
  readonly pid: number
  /** One row by its key, over a connection that stays open. */
  pointRead(): PeerOperation
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 10_000
/** Only what a process needs to start: secrets stay where they are. */
const PASSED_ENVIRONMENT = ['PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot']

/**
 * Starts it.
 *
 * @throws MeridianError `CONFIG_INVALID` without the package `@libsql/client`, `STORE_UNAVAILABLE`,
 * `REGION_UNREACHABLE` where the process does not start
 */
export async function openHttpPeer(options: HttpPeerOptions): Promise<HttpPeer> {
  // Its process needs it: here what is missing fails typed.
  await loadPackage('@libsql/client', () => import('@libsql/client'))
  const folder = await makeFolder(options.directory, 'peer-http')
  let child: ChildProcess | undefined
  const close = async (): Promise<void> => {
    if (child !== undefined) await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const store = await makeLibsqlStore(folder)
    child = forkProgram()
    const port = await start(child, taskOf(store))
    return new OpenHttpPeer(options.region, { store, port, pid: child.pid ?? 0, close })
  } catch (error) {
    await close()
    throw error
  }
}

interface RunningServer {
  readonly store: LibsqlStore
  readonly port: number
  readonly pid: number
  close(): Promise<void>
}

class OpenHttpPeer implements HttpPeer {
  readonly name = 'http-server'
  readonly version = process.version
  readonly address: string
  readonly pid: number
  readonly operations: readonly PeerOperation[]
  readonly #region: string
  readonly #server: RunningServer
  readonly #agent = new Agent({ keepAlive: true, noDelay: true })

  constructor(region: string, server: RunningServer) {
    this.#region = region
    this.#server = server
    this.address = `127.0.0.1:${server.port}`
    this.pid = server.pid
    this.operations = [this.pointRead()]
  }

  pointRead(): PeerOperation {
    const { store } = this.#server
    return {
      op: 'point read over HTTP',
      origin: this.#region,
      home: this.#region,
      durability: ONE_DISK,
      networkMs: 0,
      operation: async (index) => {
        const rows = JSON.parse(await this.#post(store.rowIdAt(index))) as readonly unknown[]
        if (rows.length !== 1) throw this.#failure('the row is not there')
        return undefined
      },
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.#server.close()
  }

  #post(body: string): Promise<string> {
    const { port } = this.#server
    const headers = { 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(this.#failure(error.message, error))
      const call = request(
        { host: '127.0.0.1', port, method: 'POST', agent: this.#agent, headers },
        (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (text += chunk))
          response.on('error', fail)
          response.on('end', () => {
            if (response.statusCode === 200) resolve(text)
            else reject(this.#failure(text))
          })
        },
      )
      call.setTimeout(REQUEST_TIMEOUT_MS, () => {
        call.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`))
      })
      call.on('error', fail)
      call.end(body)
    })
  }

  #failure(reason: string, cause?: unknown): MeridianError {
    return unreachable(`at ${this.address} failed: ${reason}`, cause)
  }
}

/** The statement with what comes before the id. */
function taskOf(store: LibsqlStore): HttpServerTask {
  const { sql, args } = store.pointRead('')
  return { path: store.path, sql, args: args.slice(0, -1).map(String) }
}

/** Beside this file lies the program, in the form in which this file runs. */
function forkProgram(): ChildProcess {
  const isSource = import.meta.url.endsWith('.ts')
  const program = new URL(`./http-server-program.${isSource ? 'ts' : 'js'}`, import.meta.url)
  const passed = PASSED_ENVIRONMENT.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return fork(program, {
    execArgv: [...sourceLoader()],
    env: Object.fromEntries(passed),
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
}

async function start(child: ChildProcess, task: HttpServerTask): Promise<number> {
  const told = new Promise<HttpServerNews>((resolve, reject) => {
    child.once('message', (news) => resolve(news as HttpServerNews))
    child.once('error', reject)
    child.once('exit', () => reject(unreachable('has ended before it listened')))
  })
  child.send(task)
  const news = await inTime(told, START_TIMEOUT_MS, () => unreachable('does not listen'))
  if ('port' in news) return news.port
  throw unreachable(`did not start: ${news.error}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  if (child.connected) child.disconnect()
  else child.kill('SIGKILL')
  await ended
  clearTimeout(force)
}

function unreachable(what: string, cause?: unknown): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', `The bare HTTP server ${what}.`, {
    details: { engine: 'http-server' },
    cause,
  })
}
