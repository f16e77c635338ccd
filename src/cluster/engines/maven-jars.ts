/**
 * The class path of a program in Java, from its Maven artifacts: fetched once into a cache folder of
 * the user, and put there whole or not at all, so that two processes that fetch at once do no harm.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { findProgram } from './find-program.ts'

/** Which jars. */
export interface MavenJars {
  /** `kafka`: of its folder in the cache, and in details of errors. */
  readonly program: string
  /** In messages. */
  readonly title: string
  readonly version: string
  /** `group:artifact:version`; what they need comes with them. */
  readonly artifacts: readonly string[]
  /** The environment variable that names a folder with the jars. */
  readonly variable: string
  /** The name of the jar without which a folder is not the one. */
  readonly mainJar: RegExp
}

const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies'
const FETCH_TIMEOUT_MS = 600_000
/** Two that fetch into one local repository of Maven may trip over each other's half-written files. */
const ATTEMPTS = 3

/**
 * The folder with the jars; fetches them where they are not there yet.
 *
 * @throws MeridianError `CONFIG_INVALID` where that is impossible
 */
export async function mavenJars(
  jars: MavenJars,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const named = environment[jars.variable]
  if (named !== undefined) {
    if (await holds(named, jars)) return named
    throw invalid(jars, `${named} does not hold its jars`)
  }
  const cache = join(cacheFolder(environment), 'meridian')
  const folder = join(cache, `${jars.program}-${jars.version}`)
  if (existsSync(folder)) return folder
  const maven = await findProgram('maven', environment)
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, `.${jars.program}-`))
  try {
    await fetchJars(maven.path, work, jars)
    await rename(join(work, 'jars'), folder).catch((error: unknown) => {
      // Another process was faster: what it put there is the same.
      if (!existsSync(folder)) throw error
    })
    return folder
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  const named = environment['XDG_CACHE_HOME']
  return named === undefined || named === '' ? join(homedir(), '.cache') : named
}

async function holds(folder: string, { mainJar }: MavenJars): Promise<boolean> {
  const files = await readdir(folder).catch(() => [])
  return files.some((file) => mainJar.test(file))
}

async function fetchJars(maven: string, work: string, jars: MavenJars): Promise<void> {
  const pom = join(work, 'pom.xml')
  await writeFile(pom, pomText(jars))
  const folder = join(work, 'jars')
  const args = [
    '-B',
    '-q',
    '-f',
    pom,
    PLUGIN,
    `-DoutputDirectory=${folder}`,
    '-DincludeScope=runtime',
  ]
  for (let attempt = 1; ; attempt++) {
    const output = await runMaven(maven, args)
    if (output === undefined && (await holds(folder, jars))) return
    if (attempt === ATTEMPTS)
      throw invalid(jars, `Maven did not fetch its jars:\n${output ?? ''}\n`)
  }
}

/** What Maven said where it failed. */
function runMaven(maven: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(maven, [...args], { timeout: FETCH_TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${stdout}${stderr}`.trim() || error.message),
    )
  })
}

function pomText({ program, artifacts }: MavenJars): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return (
      `    <dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>` +
      `<version>${version}</version></dependency>`
    )
  })
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    '  <modelVersion>4.0.0</modelVersion>',
    `  <groupId>meridian</groupId><artifactId>${program}</artifactId><version>1</version>`,
    '  <dependencies>',
    ...dependencies,
    '  </dependencies>',
    '</project>',
    '',
  ].join('\n')
}

function invalid({ title, program, artifacts, variable }: MavenJars, what: string): MeridianError {
  const [main] = artifacts
  return new MeridianError('CONFIG_INVALID', `${title} cannot be started: ${what}.`, {
    fix: `Let Maven reach a repository, or name a folder with the jars of ${main} in ${variable}.`,
    details: { program, variable },
  })
}
