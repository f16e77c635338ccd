/** The parts of `meridian.yaml` that name production engines: etcd, Kafka, Redis. */
import { z } from 'zod'
import { secretSchema, trustedNetworkSchema, type SecretRef } from './process-sections.ts'

/** TLS towards an engine. An empty section means the system's authorities. */
export interface EngineTls {
  /** PEM file of the authority that signed the engine's certificate. */
  readonly ca?: string | undefined
  /** PEM files of this client's own certificate and key, where the engine asks for one. */
  readonly certificate?: string | undefined
  readonly key?: SecretRef | undefined
}

/** The etcd cluster of the commit log, the directory and the leases. */
export interface EtcdConfig {
  /** `host:port` of the members by region; a node asks those of its own region first. */
  readonly members: Readonly<Record<string, readonly string[]>>
  readonly user?: string | undefined
  readonly password?: SecretRef | undefined
  readonly tls?: EngineTls | undefined
  /** Records of a group that a region which is away may hold back before it must be reseeded. */
  readonly maxRetainedRecords: number
  /** Nobody else reaches or hears the network between: it may go without TLS and password. */
  readonly trustedNetwork?: boolean | undefined
}

/** The Kafka of a region: the change log of its store, and topics for others. */
export interface KafkaConfig {
  /** `host:port` to begin with. */
  readonly brokers: readonly string[]
  readonly sasl?:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
        readonly user: string
        readonly password: SecretRef
      }
    | undefined
  readonly tls?: EngineTls | undefined
  /** Copies of each partition. */
  readonly replicationFactor: number
  /** Topics for outside consumers, one a table; `none` makes none. */
  readonly tables: 'json' | 'msgpack' | 'none'
  /** Partitions of each table's topic. */
  readonly tablePartitions: number
  /** Nobody else reaches or hears the network between: it may go without TLS and password. */
  readonly trustedNetwork?: boolean | undefined
}

/** The Redis of a region. Exactly one of `url`, `sentinels`, `cluster`. */
export interface RedisConfig {
  /** `host:port`. */
  readonly address?: string | undefined
  readonly sentinels?: { readonly addresses: readonly string[]; readonly name: string } | undefined
  readonly cluster?: readonly string[] | undefined
  readonly user?: string | undefined
  readonly password?: SecretRef | undefined
  readonly tls?: EngineTls | undefined
  /** Nobody else reaches or hears the network between: it may go without TLS and password. */
  readonly trustedNetwork?: boolean | undefined
}

const address = (): z.ZodString =>
  z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:\s/]+):\d{1,5}$/, 'is not `host:port`')

const addresses = (): z.ZodArray<z.ZodString> => z.array(address()).min(1)

const engineTls: z.ZodType<EngineTls> = z
  .strictObject({
    ca: z
      .string()
      .min(1)
      .optional()
      .describe("PEM file of the engine's authority. Default: the system's."),
    certificate: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file of the own certificate, where the engine asks for one.'),
    key: secretSchema('The private key of `certificate`, PEM.').optional(),
  })
  .refine(
    (tls) => (tls.certificate === undefined) === (tls.key === undefined),
    'has only one of `certificate` and `key`',
  )
  .describe('TLS towards the engine: `ca`, and `certificate` with `key` where it asks for one.')

/** The section `commitLog.etcd`. */
export const etcdSchema: z.ZodType<EtcdConfig> = z
  .strictObject({
    members: z
      .record(z.string(), addresses())
      .describe('`host:port` of the members by region, at least one.'),
    user: z.string().min(1).optional().describe('The user, where etcd has `auth` enabled.'),
    password: secretSchema('Its password.').optional(),
    tls: engineTls.optional(),
    trustedNetwork: trustedNetworkSchema,
    maxRetainedRecords: z
      .int()
      .positive()
      .default(1_000_000)
      .describe('Records that a region which is away may hold back before it must be reseeded.'),
  })
  .refine(
    (etcd) => (etcd.user === undefined) === (etcd.password === undefined),
    'has only one of `user` and `password`',
  )
  .describe('The etcd cluster that orders strong writes, instead of a file of the leader.')

const kafkaSchema: z.ZodType<KafkaConfig> = z
  .strictObject({
    brokers: addresses().describe('`host:port` of brokers to begin with.'),
    sasl: z
      .strictObject({
        mechanism: z
          .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
          .describe('As the listener of the broker has it.'),
        user: z.string().min(1).describe('The user.'),
        password: secretSchema('Its password.'),
      })
      .optional()
      .describe('Who the node is to the brokers.'),
    tls: engineTls.optional(),
    trustedNetwork: trustedNetworkSchema,
    replicationFactor: z
      .int()
      .min(1)
      .max(9)
      .default(1)
      .describe('Copies of each partition, on as many brokers.'),
    tables: z
      .enum(['json', 'msgpack', 'none'])
      .default('json')
      .describe('What the topics of tables hold; `none` makes no such topics.'),
    tablePartitions: z
      .int()
      .min(1)
      .max(1000)
      .default(4)
      .describe("Partitions of each table's topic."),
  })
  .describe("The Kafka that keeps the region's change log, instead of a file.")

const redisSchema: z.ZodType<RedisConfig> = z
  .strictObject({
    address: address().optional().describe('`host:port` of a single Redis.'),
    sentinels: z
      .strictObject({
        addresses: addresses().describe('`host:port` of the sentinels.'),
        name: z.string().min(1).describe('The name of the master that they watch.'),
      })
      .optional()
      .describe('Sentinels that say where the master is.'),
    cluster: addresses().optional().describe('`host:port` of nodes of a Redis Cluster.'),
    user: z.string().min(1).optional().describe('The user. Default: `default`.'),
    password: secretSchema('Its password.').optional(),
    tls: engineTls.optional(),
    trustedNetwork: trustedNetworkSchema,
  })
  .refine(
    ({ address: one, sentinels, cluster }) =>
      [one, sentinels, cluster].filter((way) => way !== undefined).length === 1,
    'has not exactly one of `address`, `sentinels` and `cluster`',
  )
  .describe("The Redis that caches the region's hot rows.")

/** What the sections are parsed to. */
interface EngineSectionSchemas {
  readonly name: z.ZodDefault<z.ZodString>
  readonly changeLogs: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodType<KafkaConfig>>>
  readonly caches: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodType<RedisConfig>>>
}

/** The sections by name. */
export const engineSections: EngineSectionSchemas = {
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'is not lower-case letters, digits and dashes')
    .default('meridian')
    .describe('Name of the deployment: keys in etcd and Redis and topics in Kafka begin with it.'),
  changeLogs: z
    .record(z.string(), kafkaSchema)
    .optional()
    .describe('Kafka by region; a region without one keeps its change log in a file.'),
  caches: z
    .record(z.string(), redisSchema)
    .optional()
    .describe('Redis by region; a region without one reads its store.'),
}
