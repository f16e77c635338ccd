/** The class path of Cassandra, from its Maven artifacts. */
import { readdir } from 'node:fs/promises'
import { MeridianError } from '../../core/errors.ts'
import { mavenJars } from './maven-jars.ts'

/** The version that is run; the first line of versions that runs on Java 17. */
export const CASSANDRA_VERSION = '5.0.6'

const VARIABLE = 'MERIDIAN_CASSANDRA_JARS'
/** Measures how much memory objects take; Cassandra wants it as an agent of its Java. */
const METER_JAR = /^jamm-.*\.jar$/

/** The jars of Cassandra. */
export interface CassandraJars {
  readonly folder: string
  readonly meterJar: string
}

/**
 * Fetches them where they are not there yet.
 *
 * @throws MeridianError `CONFIG_INVALID` where that is impossible
 */
export async function cassandraJars(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<CassandraJars> {
  const jars = {
    program: 'cassandra',
    title: 'Cassandra',
    version: CASSANDRA_VERSION,
    artifacts: [`org.apache.cassandra:cassandra-all:${CASSANDRA_VERSION}`],
    variable: VARIABLE,
    mainJar: /^cassandra-all-.*\.jar$/,
  }
  const folder = await mavenJars(jars, environment)
  const meterJar = (await readdir(folder)).find((file) => METER_JAR.test(file))
  if (meterJar !== undefined) return { folder, meterJar }
  throw new MeridianError('CONFIG_INVALID', `Cassandra cannot be started: ${folder} has no jamm.`, {
    fix: `Remove the folder, or name another in ${VARIABLE}.`,
    details: { program: 'cassandra', variable: VARIABLE },
  })
}
