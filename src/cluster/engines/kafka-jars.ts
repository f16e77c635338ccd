/**
 * The class path of a Kafka broker, from its Maven artifacts: fetched once into a cache folder of the
 * user, and put there whole or not at all, so that two processes that fetch at once do no harm.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { findProgram } from './find-program.ts'

/** The version of the broker. */
export const KAFKA_VERSION = '4.1.0'

const SLF4J_VERSION = '1.7.36'
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies'
const VARIABLE = 'MERIDIAN_KAFKA_JARS'
const FETCH_TIMEOUT_MS = 600_000
/** Two that fetch into one local repository of Maven may trip over each other's half-written files. */
const ATTEMPTS = 3

/**
 * The folder with the broker's jars; fetches them where they are not there yet.
 *
 * @throws MeridianError `CONFIG_INVALID` where that is impossible
 */
export async function kafkaJars(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const named = environment[VARIABLE]
  if (named !== undefined) {
    if (await holdsBroker(named)) return named
    throw invalid(`${named} holds no jars of a broker`)
  }
  const cache = join(cacheFolder(environment), 'meridian')
  const folder = join(cache, `kafka-${KAFKA_VERSION}`)
  if (existsSync(folder)) return folder
  const maven = await findProgram('maven', environment)
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, '.kafka-'))
  try {
    await fetchJars(maven.path, work)
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

async function holdsBroker(folder: string): Promise<boolean> {
  const files = await readdir(folder).catch(() => [])
  return files.some((file) => /^kafka_[\d.]+-.*\.jar$/.test(file))
}

async function fetchJars(maven: string, work: string): Promise<void> {
  const pom = join(work, 'pom.xml')
  await writeFile(pom, pomText())
  const jars = join(work, 'jars')
  const args = [
    '-B',
    '-q',
    '-f',
    pom,
    PLUGIN,
    `-DoutputDirectory=${jars}`,
    '-DincludeScope=runtime',
  ]
  for (let attempt = 1; ; attempt++) {
    const output = await runMaven(maven, args)
    if (output === undefined && (await holdsBroker(jars))) return
    if (attempt === ATTEMPTS) throw invalid(`Maven did not fetch its jars:\n${output ?? ''}\n`)
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

function pomText(): string {
  const dependency = (group: string, artifact: string, version: string): string =>
    `    <dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version></dependency>`
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    '  <modelVersion>4.0.0</modelVersion>',
    '  <groupId>meridian</groupId><artifactId>kafka</artifactId><version>1</version>',
    '  <dependencies>',
    dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION),
    dependency('org.slf4j', 'slf4j-simple', SLF4J_VERSION),
    '  </dependencies>',
    '</project>',
    '',
  ].join('\n')
}

function invalid(what: string): MeridianError {
  return new MeridianError('CONFIG_INVALID', `Kafka cannot be started: ${what}.`, {
    fix: `Let Maven reach a repository, or name a folder with the jars of kafka_2.13:${KAFKA_VERSION} in ${VARIABLE}.`,
    details: { program: 'kafka', variable: VARIABLE },
  })
}
