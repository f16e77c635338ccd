/**
 * Finds the programs that engines are: where the environment says, else on the path, else where
 * packages put what they keep off it.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'

/** A program that was found, and its version. */
export interface FoundProgram {
  readonly path: string
  readonly version: string
}

/** The programs by name. */
export type ProgramName = 'etcd' | 'redis' | 'java' | 'maven' | 'postgresql'

interface ProgramSpec {
  readonly title: string
  /** The environment variable that names it. */
  readonly variable: string
  readonly file: string
  readonly versionArgs: readonly string[]
  /** Finds the version in what it says of itself; another program says something else. */
  readonly version: RegExp
  readonly leastMajor: number
  /** Looked in after the path. */
  readonly folders?: readonly string[]
  /** What to install on Debian. */
  readonly debian: string
}

const SPECS: Readonly<Record<ProgramName, ProgramSpec>> = {
  etcd: {
    title: 'etcd',
    variable: 'MERIDIAN_ETCD',
    file: 'etcd',
    versionArgs: ['--version'],
    version: /^etcd Version: (\S+)/m,
    leastMajor: 3,
    debian: 'etcd-server',
  },
  redis: {
    title: 'Redis',
    variable: 'MERIDIAN_REDIS',
    file: 'redis-server',
    versionArgs: ['--version'],
    version: /^Redis server v=(\S+)/m,
    leastMajor: 7,
    debian: 'redis-server',
  },
  java: {
    title: 'Java',
    variable: 'MERIDIAN_JAVA',
    file: 'java',
    versionArgs: ['-version'],
    version: /version "?(\d[^"\s]*)/,
    // Brokers of Kafka 4 run on no older one.
    leastMajor: 17,
    debian: 'default-jre-headless',
  },
  maven: {
    title: 'Maven',
    variable: 'MERIDIAN_MAVEN',
    file: 'mvn',
    versionArgs: ['-version'],
    version: /Apache Maven (\S+)/,
    leastMajor: 3,
    debian: 'maven',
  },
  postgresql: {
    title: 'PostgreSQL',
    variable: 'MERIDIAN_POSTGRESQL',
    file: 'postgres',
    versionArgs: ['--version'],
    version: /^postgres \(PostgreSQL\) (\d[\d.]*)/m,
    leastMajor: 15,
    // Debian keeps several versions side by side, and none of their servers on the path.
    folders: ['/usr/lib/postgresql/15/bin'],
    debian: 'postgresql-15',
  },
}

const VERSION_TIMEOUT_MS = 60_000

/** The package of Debian that has a program. */
export function debianPackage(name: ProgramName): string {
  return SPECS[name].debian
}

/** The environment variable that names a program. */
export function programVariable(name: ProgramName): string {
  return SPECS[name].variable
}

/**
 * Finds a program and asks for its version.
 *
 * @throws MeridianError `CONFIG_INVALID` where it is missing, too old or another program
 */
export async function findProgram(
  name: ProgramName,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<FoundProgram> {
  const spec = SPECS[name]
  const named = environment[spec.variable]
  const path = named ?? find(spec, environment['PATH'] ?? '')
  if (path === undefined || !isExecutable(path)) {
    const what = path === undefined ? `${spec.file} is not on the path` : `${path} does not run`
    throw invalid(spec, what)
  }
  const output = await versionOutput(path, spec.versionArgs)
  const version = spec.version.exec(output)?.[1]
  if (version === undefined) throw invalid(spec, `${path} is not ${spec.title}`)
  if (Number.parseInt(version, 10) < spec.leastMajor) {
    throw invalid(spec, `${path} is ${version}, older than ${spec.leastMajor}`)
  }
  return { path, version }
}

function find({ file, folders = [] }: ProgramSpec, path: string): string | undefined {
  return [...path.split(delimiter), ...folders]
    .map((folder) => join(folder, file))
    .find((candidate) => isExecutable(candidate))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** What a program says of itself, on whichever stream; nothing where it fails. */
function versionOutput(path: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(path, [...args], { timeout: VERSION_TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve(error === null ? `${stdout}\n${stderr}` : ''),
    )
  })
}

function invalid(spec: ProgramSpec, what: string): MeridianError {
  return new MeridianError('CONFIG_INVALID', `${spec.title} cannot be started: ${what}.`, {
    fix: `Install it (Debian: \`apt-get install ${spec.debian}\`), or name it in ${spec.variable}.`,
    details: { program: spec.file, variable: spec.variable },
  })
}
