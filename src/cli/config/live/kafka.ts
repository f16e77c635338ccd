/** Asks the Kafka of a region: its brokers, and what they take. */
import kafkajs, { type SASLOptions } from 'kafkajs'
import type { KafkaConfig } from '../../../config/engine-sections.ts'
import { kafkaSettings, type KafkaSettings } from '../../../node/engine-settings.ts'
import type { SecretSources } from '../../../node/secrets.ts'
import { probe, PROBE_TIMEOUT_MS, type Answer, type Probe } from './probe.ts'

// Node finds no names in what this CommonJS module exports.
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs

/** Asks whichever broker answers. */
export async function probeKafka(
  region: string,
  config: KafkaConfig,
  sources: SecretSources,
): Promise<Probe> {
  return probe(`Kafka of ${region}`, config.brokers.join(', '), async () => {
    const settings = await kafkaSettings(config, region, sources)
    return askBrokers(settings, config.replicationFactor)
  })
}

async function askBrokers(settings: KafkaSettings, copies: number): Promise<Answer> {
  const { brokers, sasl, tls } = settings
  const kafka = new Kafka({
    clientId: 'meridian-config-check',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: PROBE_TIMEOUT_MS / 2,
    requestTimeout: PROBE_TIMEOUT_MS / 2,
    retry: { retries: 1 },
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            ...(tls.ca === undefined ? {} : { ca: [tls.ca] }),
            ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
        }),
  })
  const admin = kafka.admin()
  await admin.connect()
  try {
    const { brokers: known, clusterId } = await admin.describeCluster()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.BROKER, name: String(known[0]?.nodeId ?? 0) }],
    })
    const values = new Map(
      resources.flatMap(({ configEntries }) =>
        configEntries.map(({ configName, configValue }) => [configName, configValue] as const),
      ),
    )
    return judge(known.length, clusterId, copies, values)
  } finally {
    await admin.disconnect()
  }
}

function saslOf({ mechanism, user, password }: NonNullable<KafkaSettings['sasl']>): SASLOptions {
  return { mechanism, username: user, password }
}

function judge(
  brokers: number,
  clusterId: string,
  copies: number,
  values: ReadonlyMap<string, string>,
): Answer {
  const size = `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`
  const takes = values.get('message.max.bytes')
  const needed = Number(values.get('min.insync.replicas') ?? 1)
  return {
    says: `Kafka, cluster ${clusterId}, ${size}${takes === undefined ? '' : `, messages up to ${takes} bytes`}`,
    problems:
      copies > brokers ? [`${copies} copies of a partition need ${copies} brokers: ${size}`] : [],
    warnings: [
      ...(needed > copies
        ? [
            `min.insync.replicas is ${needed}, with ${copies} copies a topic of its own settings only`,
          ]
        : []),
      ...(values.get('auto.create.topics.enable') === 'true'
        ? ['auto.create.topics.enable is true: a mistyped name makes a topic']
        : []),
    ],
  }
}
