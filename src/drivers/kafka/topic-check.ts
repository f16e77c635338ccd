/** Makes topics, and compares those that are there with what they must be like. */
import { MeridianError } from '../../core/errors.ts'
import type { TopicShape } from '../../core/ports/topics.ts'
import type { KafkaClient, TopicDescription } from './kafka-client.ts'

/** More than asked for serves as well. */
const AT_LEAST = new Set(['max.message.bytes', 'min.insync.replicas'])
/** Records come uncompressed, so that both keep them as they come. */
const SAME = [new Set(['producer', 'uncompressed'])]
/** A topic that was just made is not known to every broker at once. */
const LOOKS = 200

/**
 * Makes the topic unless it is there, then checks it. `pause` waits a moment.
 *
 * @throws MeridianError `LOG_MISCONFIGURED` naming setting, value, wish and what mends it
 */
export async function ensureTopic(
  client: KafkaClient,
  shape: TopicShape,
  pause: () => Promise<void>,
): Promise<void> {
  let found = await client.describeTopic(shape.name)
  if (found === null) await client.createTopic(shape)
  for (let look = 1; found === null; look++) {
    found = await client.describeTopic(shape.name)
    if (found !== null) break
    if (look === LOOKS) throw unseenError(client, shape)
    await pause()
  }
  check(client, shape, found)
}

function check(client: KafkaClient, shape: TopicShape, found: TopicDescription): void {
  const { name } = shape
  const tool = (script: string, rest: string): string =>
    `\`${script} --bootstrap-server ${client.address.split(',')[0]} ${rest}\``
  if (found.partitions !== shape.partitions) {
    const way =
      found.partitions < shape.partitions
        ? `Add partitions: ${tool('kafka-topics.sh', `--alter --topic ${name} --partitions ${shape.partitions}`)}; keys move to other partitions by that.`
        : 'A topic cannot lose partitions: ask for as many as it has, or delete it.'
    throw wrongError(name, 'the number of partitions', found.partitions, shape.partitions, way)
  }
  if (found.replicationFactor < shape.replicationFactor) {
    const way = `Add copies with \`kafka-reassign-partitions.sh\`, or ask for fewer with \`replicationFactor\` in \`changeLogs\`.`
    const copies = [found.replicationFactor, `at least ${shape.replicationFactor}`] as const
    throw wrongError(name, 'the number of copies', ...copies, way)
  }
  const wrong = Object.entries(shape.settings).filter(
    ([setting, wish]) => !isMet(setting, found.settings.get(setting), wish),
  )
  const [first] = wrong
  if (first === undefined) return
  const [setting, wish] = first
  const config = wrong.map(([each, value]) => `${each}=${value}`).join(',')
  const way = `Set it: ${tool('kafka-configs.sh', `--alter --entity-type topics --entity-name ${name} --add-config ${config}`)}.`
  const least = AT_LEAST.has(setting) ? `at least ${wish}` : wish
  throw wrongError(name, `\`${setting}\``, found.settings.get(setting) ?? 'unknown', least, way)
}

function isMet(setting: string, value: string | undefined, wish: string): boolean {
  if (value === wish) return true
  if (value === undefined) return false
  if (AT_LEAST.has(setting)) return Number(value) >= Number(wish)
  return setting === 'compression.type' && SAME.some((all) => all.has(value) && all.has(wish))
}

function wrongError(
  topic: string,
  setting: string,
  value: string | number,
  wish: string | number,
  fix: string,
): MeridianError {
  return new MeridianError(
    'LOG_MISCONFIGURED',
    `Topic ${topic} has ${value} as ${setting}, where ${wish} is needed.`,
    // Once it is mended, the next attempt finds it so.
    { fix, retry: 'safe', details: { topic, setting: setting.replaceAll('`', ''), value, wish } },
  )
}

function unseenError(client: KafkaClient, { name }: TopicShape): MeridianError {
  return new MeridianError(
    'LOG_UNAVAILABLE',
    `Kafka at ${client.address} made topic ${name} but does not show it.`,
    { fix: 'Look whether the brokers are well, and whether the user may describe the topic.' },
  )
}
