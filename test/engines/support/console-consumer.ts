/** Kafka's own console consumer, as its users start it. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../../src/cluster/engines/find-program.ts'
import { KAFKA_VERSION, kafkaJars } from '../../../src/cluster/engines/kafka-jars.ts'

/** A record as the console consumer shows it. */
export interface ConsoleRecord {
  readonly key: string | null
  readonly value: string | null
  /** `name:value`, comma-separated. */
  readonly headers: string
  readonly timestampMs: number
}

const run = promisify(execFile)

const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
const MAVEN_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy'
const FETCH_TIMEOUT_MS = 300_000
const CONSUME_TIMEOUT_MS = 100_000
/** Keys and values of tests hold none of these. */
const SEPARATOR = '\u0001'
const NULL = '\u0002'

/** Reads the first `count` records of a topic from its beginning. */
export async function consoleConsume(
  broker: string,
  topic: string,
  count: number,
): Promise<readonly ConsoleRecord[]> {
  const [java, jars, tools] = await Promise.all([findProgram('java'), kafkaJars(), toolsJar()])
  const shown = ['timestamp', 'headers', 'key'].flatMap((part) => [
    '--property',
    `print.${part}=true`,
  ])
  const { stdout } = await run(
    java.path,
    [
      '-XX:TieredStopAtLevel=1',
      '-Xmx128m',
      '-Dfile.encoding=UTF-8',
      '-Dstdout.encoding=UTF-8',
      '-cp',
      [tools, join(jars, '*')].join(':'),
      CONSUMER,
      ...['--bootstrap-server', broker, '--topic', topic, '--from-beginning'],
      ...['--max-messages', String(count), '--timeout-ms', String(CONSUME_TIMEOUT_MS / 2)],
      ...shown,
      ...['--property', `key.separator=${SEPARATOR}`],
      ...['--property', `null.literal=${NULL}`],
    ],
    { timeout: CONSUME_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
  )
  return stdout
    .split('\n')
    .filter((line) => line.includes(SEPARATOR))
    .map(parseLine)
}

function parseLine(line: string): ConsoleRecord {
  const [time = '', headers = '', key = '', value = ''] = line.split(SEPARATOR)
  const orNull = (shown: string): string | null => (shown === NULL ? null : shown)
  return {
    key: orNull(key),
    value: orNull(value),
    headers: headers === 'NO_HEADERS' ? '' : headers,
    timestampMs: Number(time.slice(time.indexOf(':') + 1)),
  }
}

/** The jar of Kafka's tools, which a broker does without; fetched once. */
async function toolsJar(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'meridian')
  const name = `kafka-tools-${KAFKA_VERSION}.jar`
  const jar = join(cache, name)
  if (existsSync(jar)) return jar
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, '.kafka-tools-'))
  try {
    const maven = await findProgram('maven')
    const artifact = `-Dartifact=org.apache.kafka:kafka-tools:${KAFKA_VERSION}`
    const to = `-DoutputDirectory=${work}`
    await run(maven.path, ['-B', '-q', MAVEN_COPY, artifact, to], { timeout: FETCH_TIMEOUT_MS })
    await rename(join(work, name), jar)
    return jar
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
