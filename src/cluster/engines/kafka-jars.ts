/** The class path of a Kafka broker, from its Maven artifacts. */
import { mavenJars } from './maven-jars.ts'

/** The version of the broker. */
export const KAFKA_VERSION = '4.1.0'

const SLF4J_VERSION = '1.7.36'

/**
 * The folder with the broker's jars; fetches them where they are not there yet.
 *
 * @throws MeridianError `CONFIG_INVALID` where that is impossible
 */
export function kafkaJars(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const jars = {
    program: 'kafka',
    title: 'Kafka',
    version: KAFKA_VERSION,
    artifacts: [
      `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
      `org.slf4j:slf4j-simple:${SLF4J_VERSION}`,
    ],
    variable: 'MERIDIAN_KAFKA_JARS',
    mainJar: /^kafka_[\d.]+-.*\.jar$/,
  }
  return mavenJars(jars, environment)
}
