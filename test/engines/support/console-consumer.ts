/**
 * The console consumer that comes with Kafka: a client that nobody here wrote. Its jar is fetched
 * once into the folder of the user where the broker's are.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../../src/cli/cluster/engines/find-program.ts'
import { KAFKA_VERSION, kafkaJars } from '../../../src/cli/cluster/engines/kafka-jars.ts'

/** A record as the console consumer prints it. */
export interface ConsoleRecord {
  readonly timestampType: string
  readonly partition: number
  readonly offset: number
  readonly headers: Readonly<Record<string, string>>
  /** Null where it prints `null`. */
  readonly key: string | null
  readonly value: string
}

const CLASS = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy'
const SHOWN = ['timestamp', 'partition', 'offset', 'headers', 'key', 'value']
/** JSON has it in no text. */
const SEPARATOR = '\t'
const TIMEOUT_MS = 120_000
const FETCH_TIMEOUT_MS = 600_000

/** Reads the first `count` records of a topic, from its beginning. */
export async function consoleConsume(
  broker: string,
  topic: string,
  count: number,
): Promise<readonly ConsoleRecord[]> {
  const [java, jars, tools] = await Promise.all([findProgram('java'), kafkaJars(), toolsJar()])
  const lines = await run(java.path, [
    ...['-cp', `${tools}:${join(jars, '*')}`, CLASS],
    ...['--bootstrap-server', broker, '--topic', topic, '--from-beginning'],
    ...['--max-messages', String(count), '--timeout-ms', String(TIMEOUT_MS)],
    ...SHOWN.flatMap((what) => ['--property', `print.${what}=true`]),
    ...['--property', `key.separator=${SEPARATOR}`],
  ])
  return lines.map(parseLine)
}

async function run(java: string, args: readonly string[]): Promise<string[]> {
  const child = spawn(java, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let problems = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString('utf8')))
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS + 30_000)
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(timer)
  if (code !== 0) throw new Error(`The console consumer ended with ${String(code)}: ${problems}`)
  return output.split('\n').filter((line) => line !== '')
}

function parseLine(line: string): ConsoleRecord {
  const [timestamp = '', partition = '', offset = '', headers = '', key = '', ...rest] =
    line.split(SEPARATOR)
  return {
    timestampType: timestamp.split(':')[0] ?? '',
    partition: Number(partition.split(':')[1]),
    offset: Number(offset.split(':')[1]),
    headers: Object.fromEntries(headers.split(',').map((one) => splitOnce(one, ':'))),
    key: key === 'null' ? null : key,
    value: rest.join(SEPARATOR),
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** The jar with Kafka's command-line tools, which a broker does not need. */
async function toolsJar(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'meridian')
  const folder = join(cache, `kafka-tools-${KAFKA_VERSION}`)
  const jar = `kafka-tools-${KAFKA_VERSION}.jar`
  if (!existsSync(folder)) {
    const maven = await findProgram('maven')
    await mkdir(cache, { recursive: true })
    const work = await mkdtemp(join(cache, '.kafka-tools-'))
    try {
      const artifact = `-Dartifact=org.apache.kafka:kafka-tools:${KAFKA_VERSION}`
      const args = ['-B', '-q', COPY, artifact, `-DoutputDirectory=${join(work, 'jars')}`]
      await promisify(execFile)(maven.path, args, { timeout: FETCH_TIMEOUT_MS })
      // Another process may have been faster: what it put there is the same.
      await rename(join(work, 'jars'), folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error
      })
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  return join(folder, jar)
}
