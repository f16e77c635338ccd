/** The shape of `meridian.yaml`: types, defaults, and what each option means. */
import { z } from 'zod'
import {
  DEFAULT_CLOCK_SKEW_MS,
  DEFAULT_DEADLINE_MS,
  MAX_MESSAGE_BYTES,
  MAX_QUEUED_WRITES,
} from '../core/limits.ts'
import {
  engineSections,
  etcdSchema,
  type EtcdConfig,
  type KafkaConfig,
  type RedisConfig,
} from './engine-sections.ts'
import {
  processSections,
  type AuthConfig,
  type NodeConfig,
  type StoreConfig,
  type TlsConfig,
} from './process-sections.ts'

/** The tenant class of a tenant that is created without one. */
export const DEFAULT_CLASS = 'default'
/** Residency is a bit for each region in one machine word. */
const MAX_REGIONS = 31

const NAME_RULE = 'use lower-case letters, digits and dashes, beginning with a letter'
const name = (): z.ZodString => z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, NAME_RULE)

const limitsSchema = z
  .strictObject({
    deadlineMs: z
      .number()
      .positive()
      .default(DEFAULT_DEADLINE_MS)
      .describe('Deadline of a call that names none, in milliseconds.'),
    maxQueuedWrites: z
      .int()
      .positive()
      .default(MAX_QUEUED_WRITES)
      .describe('Writes that wait in a region before new ones are refused with OVERLOADED.'),
    sweepIntervalMs: z
      .number()
      .positive()
      .default(1000)
      .describe('How often expired rows are looked for, to delete them. They are absent before.'),
    maxBodyBytes: z
      .int()
      .positive()
      .max(MAX_MESSAGE_BYTES)
      .default(MAX_MESSAGE_BYTES)
      .describe('Bytes of a request that a node takes, decompressed.'),
    maxConnections: z
      .int()
      .positive()
      .default(10_000)
      .describe('Open connections of a node; more are closed at once.'),
    maxConcurrentRequests: z
      .int()
      .positive()
      .default(1024)
      .describe('Requests in progress in a node beyond which new ones are refused (OVERLOADED).'),
    maxConcurrentPerPrincipal: z
      .int()
      .positive()
      .default(256)
      .describe('Requests in progress of one caller beyond which new ones are refused.'),
    maxClockSkewMs: z
      .number()
      .positive()
      .default(DEFAULT_CLOCK_SKEW_MS)
      .describe(
        "How far a node's clock may be from those of most regions before it writes nothing to strong tables (CLOCK_SKEW).",
      ),
    queryTimeoutMs: z.number().positive().default(5000).describe('How long SQL of users may run.'),
    drainTimeoutMs: z
      .number()
      .positive()
      .default(10_000)
      .describe('How long a node that stops waits for its requests in progress.'),
  })
  .prefault({})

/** What wraps data keys. */
export type KeysConfig =
  | { readonly kind: 'development' }
  | { readonly kind: 'keyring'; readonly file: string }

/** Bounds and intervals; the schema describes each. */
export interface LimitsConfig {
  readonly deadlineMs: number
  readonly maxQueuedWrites: number
  readonly sweepIntervalMs: number
  readonly maxBodyBytes: number
  readonly maxConnections: number
  readonly maxConcurrentRequests: number
  readonly maxConcurrentPerPrincipal: number
  readonly maxClockSkewMs: number
  readonly queryTimeoutMs: number
  readonly drainTimeoutMs: number
}

/** The configuration file, defaults filled in. */
export interface ConfigFile {
  readonly regions: readonly string[]
  readonly topology?: Readonly<Record<string, number>> | undefined
  readonly name: string
  readonly commitLog: {
    readonly leader?: string | undefined
    readonly etcd?: EtcdConfig | undefined
    readonly leaseDurationMs: number
  }
  readonly data: { readonly directory: string }
  readonly residency?: { readonly classes: Readonly<Record<string, readonly string[]>> } | undefined
  readonly keys?: KeysConfig | undefined
  readonly limits: LimitsConfig
  readonly schema?: string | undefined
  readonly nodes?: Readonly<Record<string, NodeConfig | NodeConfig[]>> | undefined
  readonly stores?: Readonly<Record<string, StoreConfig>> | undefined
  readonly changeLogs?: Readonly<Record<string, KafkaConfig>> | undefined
  readonly caches?: Readonly<Record<string, RedisConfig>> | undefined
  readonly auth?: AuthConfig | undefined
  readonly tls?: TlsConfig | undefined
}

/** A topology file. */
export interface TopologyFile {
  readonly regions: readonly string[]
  readonly topology: Readonly<Record<string, number>>
}

/** The shape of the configuration file. */
export const configSchema: z.ZodType<ConfigFile> = z
  .strictObject({
    regions: z
      .array(name())
      .min(1)
      .max(MAX_REGIONS)
      .describe('Names of the regions. A name is for ever: rows and sessions carry it.'),
    topology: z
      .record(z.string(), z.number())
      .optional()
      .describe(
        'One-way network delay between each pair of regions in milliseconds, as `a/b: 40`. ' +
          'Embedded deployments delay messages by it. Without it: the built-in distances ' +
          'of us-east, eu-west and ap-south.',
      ),
    commitLog: z
      .strictObject({
        leader: name()
          .optional()
          .describe('The region that orders strong writes; by default the most central one.'),
        etcd: etcdSchema.optional(),
        leaseDurationMs: z
          .int()
          .min(500)
          .max(60_000)
          .default(6_000)
          .describe(
            "How long a region may answer strong reads of tables with `reads: 'local'` without " +
              'hearing of the log, ms. A region that dies holds up writes to such tables for so ' +
              'long. Longer than a failover of the log; the same in every region.',
          ),
      })
      .prefault({}),
    data: z
      .strictObject({
        directory: z
          .string()
          .min(1)
          .default('.meridian')
          .describe('Where stores keep their files.'),
      })
      .prefault({}),
    residency: z
      .strictObject({
        classes: z
          .record(name(), z.array(name()).min(1))
          .describe('The regions that may hold the data of each class of tenants.'),
      })
      .optional()
      .describe(
        'Default deny: a region outside a class stores, receives and reads nothing of it. ' +
          'The class `default` is that of tenants created without one. Without this section ' +
          'the class `default` is allowed in every region.',
      ),
    keys: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('development').describe('Where they come from.') }),
        z.strictObject({
          kind: z.literal('keyring'),
          file: z
            .string()
            .min(1)
            .describe('The keyring of kind `keyring`; relative to the folder of the data.'),
        }),
      ])
      .optional()
      .describe(
        'What wraps the data keys of encrypted columns: a keyring file, or development keys, ' +
          'which protect nothing. Without it encrypted columns need keys given in code.',
      ),
    limits: limitsSchema,
    ...processSections,
    ...engineSections,
  })
  .describe('Configuration of a Meridian deployment.')

/** The shape of a topology file. */
export const topologyFileSchema: z.ZodType<TopologyFile> = z.strictObject({
  regions: z.array(name()).min(1).max(MAX_REGIONS),
  topology: z.record(z.string(), z.number()),
})
