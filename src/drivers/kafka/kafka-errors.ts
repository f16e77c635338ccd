/** What a failure of kafkajs means: whether it passes by itself, and the typed error it becomes. */
import { MeridianError, type ErrorCode, type ErrorOptions } from '../../core/errors.ts'

/** A failure as kafkajs throws it. */
interface Failure {
  readonly name?: unknown
  readonly message?: unknown
  /** Of an answer of a broker: the name of its error. */
  readonly type?: unknown
  /** Of the operating system. */
  readonly code?: unknown
  readonly retriable?: unknown
  readonly cause?: unknown
  readonly originalError?: unknown
  readonly errors?: readonly unknown[]
  readonly partitions?: readonly { readonly error?: unknown }[]
}

/** The connection is of no further use. */
const BROKEN = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
  'KafkaJSBrokerNotFound',
  'KafkaJSSASLAuthenticationError',
])

/** Another broker leads the partition, or none does yet. */
const MOVED = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'NOT_CONTROLLER',
])

/** A broker that cannot do this now may do it soon. */
const PASSING = new Set([
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'REQUEST_TIMED_OUT',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'GROUP_LOAD_IN_PROGRESS',
])

interface Meaning {
  readonly code: ErrorCode
  readonly what: string
  readonly fix: string
  /** Mended at the brokers, without a change here. */
  readonly retry?: 'safe'
}

const NOT_ALLOWED: Meaning = {
  code: 'LOG_MISCONFIGURED',
  what: 'does not allow this to the user',
  fix: 'Allow it with `kafka-acls.sh`: the node reads, writes, creates, describes and deletes records of its topics, and writes idempotently.',
  retry: 'safe',
}
const REFUSED_TOPIC: Meaning = {
  code: 'LOG_MISCONFIGURED',
  what: 'refuses the topic as it is asked for',
  fix: 'Let the number of copies and partitions in `changeLogs` be one that these brokers can hold.',
  retry: 'safe',
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  KAFKA_STORAGE_ERROR: {
    code: 'LOG_FULL',
    what: 'cannot write to its disk',
    fix: 'Make room on the disk of the broker, then start it again.',
  },
  MESSAGE_TOO_LARGE: {
    code: 'LOG_MISCONFIGURED',
    what: 'refuses records as large: `max.message.bytes` of the topic, or `message.max.bytes` of the brokers, is too small',
    fix: 'Raise it with `kafka-configs.sh`.',
    retry: 'safe',
  },
  RECORD_LIST_TOO_LARGE: {
    code: 'LOG_MISCONFIGURED',
    what: 'refuses records as large: `segment.bytes` of the topic is too small',
    fix: 'Raise it with `kafka-configs.sh`.',
    retry: 'safe',
  },
  TOPIC_AUTHORIZATION_FAILED: NOT_ALLOWED,
  CLUSTER_AUTHORIZATION_FAILED: NOT_ALLOWED,
  INVALID_REPLICATION_FACTOR: REFUSED_TOPIC,
  INVALID_PARTITIONS: REFUSED_TOPIC,
  INVALID_CONFIG: REFUSED_TOPIC,
  INVALID_TOPIC_EXCEPTION: REFUSED_TOPIC,
  POLICY_VIOLATION: REFUSED_TOPIC,
  NOT_ENOUGH_REPLICAS: {
    code: 'LOG_UNAVAILABLE',
    what: 'has fewer copies in step than `min.insync.replicas` asks for',
    fix: 'Start the brokers that are away.',
  },
}

/** What the failure is about, once the layers around it are taken off. */
export function rootOf(thrown: unknown): Failure {
  let failure = asFailure(thrown)
  for (let depth = 0; depth < 8; depth++) {
    const inner =
      failure.originalError ??
      failure.errors?.[0] ??
      failure.partitions?.[0]?.error ??
      (failure.type === undefined ? failure.cause : undefined)
    if (typeof inner !== 'object' || inner === null) break
    failure = asFailure(inner)
  }
  return failure
}

/** The connection that it came over should be opened anew. */
export function isBroken(failure: Failure): boolean {
  return BROKEN.has(String(failure.name)) || typeof failure.code === 'string'
}

/** Who leads the partition should be asked anew. */
export function isMoved(failure: Failure): boolean {
  return MOVED.has(String(failure.type))
}

/** The same call may do better a moment later. */
export function isTransient(failure: Failure): boolean {
  if (failure.name === 'KafkaJSSASLAuthenticationError') return false
  return isBroken(failure) || isMoved(failure) || PASSING.has(String(failure.type))
}

/** Turns a failure of a call to Kafka into the typed error. */
export function kafkaError(thrown: unknown, address: string, what: string): MeridianError {
  if (thrown instanceof MeridianError) return thrown
  const failure = rootOf(thrown)
  const type = String(failure.type)
  const options = { details: { brokers: address, kafkaError: type }, cause: thrown }
  const meaning = MEANINGS[type]
  if (meaning !== undefined) return typedError(meaning, address, what, options)
  if (failure.name === 'KafkaJSSASLAuthenticationError') {
    return typedError(REFUSED_USER, address, what, options)
  }
  const cause = String(failure.message).replace(/[.\s]+$/, '')
  const unknown: Meaning = {
    code: 'LOG_UNAVAILABLE',
    what: `failed: ${cause}`,
    fix: 'Look whether Kafka runs there and can be reached; the call is repeated until it does.',
  }
  return typedError(unknown, address, what, options)
}

const REFUSED_USER: Meaning = {
  code: 'LOG_UNAVAILABLE',
  what: 'refused the user or the password',
  fix: 'Correct `sasl` in `changeLogs`, or the user at the brokers.',
}

/** The call took longer than it may. */
export function noAnswerError(address: string, what: string, afterMs: number): MeridianError {
  const meaning: Meaning = {
    code: 'LOG_UNAVAILABLE',
    what: `gave no answer within ${afterMs} ms`,
    fix: 'Look whether it is Kafka that listens there, with the TLS and SASL of `changeLogs`.',
  }
  return typedError(meaning, address, what, { details: { brokers: address } })
}

function typedError(
  { code, what, fix, retry }: Meaning,
  address: string,
  call: string,
  options: Omit<ErrorOptions, 'fix' | 'retry'>,
): MeridianError {
  return new MeridianError(code, `Kafka at ${address} ${what} (${call}).`, {
    ...options,
    fix,
    ...(retry === undefined ? {} : { retry }),
  })
}

function asFailure(thrown: unknown): Failure {
  return typeof thrown === 'object' && thrown !== null ? thrown : { message: String(thrown) }
}
