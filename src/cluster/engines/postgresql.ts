/** PostgreSQL as native processes: a primary, and standbys that stream from it. */
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError } from '../../core/errors.ts'
import {
  openFolder,
  RunningEngine,
  startWithPorts,
  type Engine,
  type EngineFolder,
  type EngineOptions,
  type EnginePlan,
} from './engine.ts'
import { findProgram } from './find-program.ts'
import { freePorts } from './free-ports.ts'
import { passedEnvironment } from './kept-process.ts'
import { runToEnd } from './run-to-end.ts'
import {
  POSTGRESQL_USER,
  postgresqlAccess,
  postgresqlConf,
  type PostgresqlRole,
} from './postgresql-config.ts'
import { postgresqlUser, type PostgresqlUser } from './postgresql-user.ts'
import { splitAddress } from './split-address.ts'

interface ServerOptions extends EngineOptions {
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Default 100. A standby needs as many as its primary. */
  readonly maxConnections?: number | undefined
  /** More settings, by name. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

export interface PostgresqlOptions extends ServerOptions {
  /** Names of the standbys that it will have. Default: none. */
  readonly standbys?: readonly string[] | undefined
  /** Standbys that must have flushed a commit before it is acknowledged. Default 0. */
  readonly quorum?: number | undefined
}

export interface PostgresqlStandbyOptions extends ServerOptions {
  /** One of the primary's `standbys`. */
  readonly name: string
  /** Whose data it begins with; copied without a detour. */
  readonly primary: PostgresqlEngine
  /** `host:port` through which it streams from the primary. Default: the primary's own. */
  readonly through?: string | undefined
}

/** A running server. */
export interface PostgresqlEngine extends Engine {
  readonly port: number
  readonly user: string
  readonly password: string
}

const MAX_CONNECTIONS = 100
const OWNER_ONLY = 0o600
const TOOL_TIMEOUT_MS = 180_000
const ORPHANS_TIMEOUT_MS = 30_000
const ORPHANS_PERIOD_MS = 10

/**
 * Starts a primary. With a quorum, commits wait until that many standbys run.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`
 */
export async function startPostgresql(options: PostgresqlOptions = {}): Promise<PostgresqlEngine> {
  const { standbys = [], quorum = 0 } = options
  const role: PostgresqlRole = { kind: 'primary', standbys, quorum }
  return startServer('postgresql', options, async (site) => {
    const passwordFile = join(site.folder.path, 'password')
    if (existsSync(site.dataFolder)) return { role, password: readFileSync(passwordFile, 'utf8') }
    const password = randomBytes(16).toString('hex')
    writeFileSync(passwordFile, password, { mode: OWNER_ONLY })
    site.user.own(passwordFile)
    await runTool(site, 'initdb', [
      `--pgdata=${site.dataFolder}`,
      `--username=${POSTGRESQL_USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
    ])
    return { role, password }
  })
}

/**
 * Starts a standby on a copy of its primary's data.
 *
 * @throws MeridianError `CONFIG_INVALID`, `STORE_UNAVAILABLE`
 */
export async function startPostgresqlStandby(
  options: PostgresqlStandbyOptions,
): Promise<PostgresqlEngine> {
  const { name, primary } = options
  const { password } = primary
  const through = options.through ?? primary.address
  const role: PostgresqlRole = { kind: 'standby', name, primary: through, password }
  return startServer(`postgresql ${name}`, options, async (site) => {
    if (existsSync(site.dataFolder)) return { role, password }
    const { host, port } = splitAddress(primary.address)
    await runTool(
      site,
      'pg_basebackup',
      [
        `--pgdata=${site.dataFolder}`,
        `--host=${host}`,
        `--port=${port}`,
        `--username=${primary.user}`,
        '--no-password',
        '--wal-method=stream',
        '--checkpoint=fast',
      ],
      // In the environment, because whoever lists processes sees their arguments.
      { PGPASSWORD: password },
    )
    const signalFile = join(site.dataFolder, 'standby.signal')
    writeFileSync(signalFile, '', { mode: OWNER_ONLY })
    site.user.own(signalFile)
    return { role, password }
  })
}

/** Where a server is laid out. */
interface Site {
  readonly name: string
  /** The folder of all its programs, of which a path may have only one. */
  readonly programs: string
  readonly user: PostgresqlUser
  readonly folder: EngineFolder
  readonly dataFolder: string
  readonly logFile: string
}

interface Prepared {
  readonly role: PostgresqlRole
  readonly password: string
}

async function startServer(
  name: string,
  options: ServerOptions,
  prepare: (site: Site) => Promise<Prepared>,
): Promise<RunningPostgresql> {
  const [program, user] = await Promise.all([findProgram('postgresql'), postgresqlUser()])
  return startWithPorts(
    options.port !== undefined,
    async () => {
      const [port = 0] = options.port === undefined ? await freePorts(1) : [options.port]
      const folder = await openFolder('postgresql', options.directory)
      user.own(folder.path)
      const site: Site = {
        name,
        programs: dirname(realpathSync(program.path)),
        user,
        folder,
        dataFolder: join(folder.path, 'data'),
        logFile: options.logFile ?? join(folder.path, 'postgresql.log'),
      }
      try {
        return makeServer(site, { ...(await prepare(site)), port, program, options })
      } catch (error) {
        if (folder.isTemporary) rmSync(folder.path, { recursive: true, force: true })
        throw error
      }
    },
    options.signal,
  )
}

interface ServerSpec extends Prepared {
  readonly port: number
  readonly program: { readonly path: string; readonly version: string }
  readonly options: ServerOptions
}

function makeServer(site: Site, spec: ServerSpec): RunningPostgresql {
  const { folder, dataFolder, user } = site
  const { port, program, role, password, options } = spec
  const accessFile = join(folder.path, 'pg_hba.conf')
  const settingsFile = join(folder.path, 'postgresql.conf')
  const settings = postgresqlConf({
    port,
    dataFolder,
    accessFile,
    maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
    role,
    more: options.settings ?? {},
  })
  for (const [file, text] of [
    [accessFile, postgresqlAccess()],
    [settingsFile, settings],
  ] as const) {
    writeFileSync(file, text, { mode: OWNER_ONLY })
    user.own(file)
  }
  const args = ['-D', dataFolder, '-c', `config_file=${settingsFile}`]
  return new RunningPostgresql(
    {
      name: site.name,
      address: `127.0.0.1:${port}`,
      version: program.version,
      folder,
      logFile: site.logFile,
      process: {
        ...user.commandLine({ command: program.path, args }),
        environment: passedEnvironment(),
        directory: folder.path,
      },
      failure: 'STORE_UNAVAILABLE',
      probe: (pid) => requireReady(dataFolder, pid),
    },
    { port, password, dataFolder },
  )
}

interface ServerFacts {
  readonly port: number
  readonly password: string
  readonly dataFolder: string
}

class RunningPostgresql extends RunningEngine implements PostgresqlEngine {
  readonly port: number
  readonly user = POSTGRESQL_USER
  readonly password: string
  readonly #dataFolder: string

  constructor(plan: EnginePlan, { port, password, dataFolder }: ServerFacts) {
    super(plan)
    this.port = port
    this.password = password
    this.#dataFolder = dataFolder
  }

  override signal(name: NodeJS.Signals): void {
    // At SIGTERM it would wait until every client has left; at SIGINT it ends in order, now.
    super.signal(name === 'SIGTERM' ? 'SIGINT' : name)
  }

  override async kill(): Promise<void> {
    await super.kill()
    // Its children notice by themselves that it is gone: none may meet the next on these data.
    const deadlineMs = performance.now() + ORPHANS_TIMEOUT_MS
    while (hasOrphans(this.#dataFolder) && performance.now() < deadlineMs) {
      await pause(ORPHANS_PERIOD_MS)
    }
  }
}

/** Whether a process has the data folder as its working directory, as all of a server have. */
function hasOrphans(dataFolder: string): boolean {
  const folder = realpathSync(dataFolder)
  return pids().some((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder
    } catch {
      return false
    }
  })
}

function pids(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** A server says in a file of its data folder who it is and whether it takes connections. */
async function requireReady(dataFolder: string, pid: number): Promise<void> {
  const lines = (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n')
  if (lines[0]?.trim() === `${pid}` && lines[7]?.trim() === 'ready') return
  throw new MeridianError('STORE_UNAVAILABLE', 'PostgreSQL takes no connections yet.')
}

/** Runs one of its programs to its end. */
async function runTool(
  { programs, user, folder, logFile }: Site,
  tool: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  await runToEnd({
    ...user.commandLine({ command: join(programs, tool), args }),
    environment: { ...passedEnvironment(), ...environment },
    ...{ folder, logFile, timeoutMs: TOOL_TIMEOUT_MS, failure: 'STORE_UNAVAILABLE' },
    problem: `A data folder of PostgreSQL could not be made: ${tool}`,
  })
}
