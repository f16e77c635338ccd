/** The properties of a broker that is a KRaft cluster of its own, and of its clients' port. */
import type { ServerTls } from './etcd.ts'

/** A user of a broker that asks for passwords. */
export interface KafkaUser {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly user: string
  readonly password: string
}

/** The three ports of a broker. */
export interface KafkaPorts {
  readonly clients: number
  /** Without passwords or TLS whatever clients need: the broker itself, and whoever tests it. */
  readonly internal: number
  readonly controller: number
}

export interface PropertiesOptions {
  readonly ports: KafkaPorts
  readonly dataFolder: string
  readonly users: readonly KafkaUser[]
  readonly tls: ServerTls | undefined
  readonly properties: Readonly<Record<string, string>>
}

/** The text of `server.properties`. */
export function serverProperties(options: PropertiesOptions): string {
  const all = {
    ...baseProperties(options),
    ...saslProperties(options.users),
    ...options.properties,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}

function baseProperties(options: PropertiesOptions): Readonly<Record<string, string>> {
  const { ports, dataFolder, users, tls } = options
  const secured = users.length > 0
  const protocol = `${secured ? 'SASL_' : ''}${tls === undefined ? 'PLAINTEXT' : 'SSL'}`
  const clients = `CLIENTS://127.0.0.1:${ports.clients}`
  const internal = `INTERNAL://127.0.0.1:${ports.internal}`
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: `${clients},${internal},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': `${clients},${internal}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    'listener.security.protocol.map': `CLIENTS:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'log.dirs': dataFolder,
    // A broker alone has nobody to copy to.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // One that was killed is let in again once its last session is over: 9 s would be long.
    'broker.session.timeout.ms': '5000',
    'broker.heartbeat.interval.ms': '1000',
    ...(tls === undefined ? {} : tlsProperties(tls, options)),
  }
}

function tlsProperties(tls: ServerTls, { dataFolder }: PropertiesOptions): Record<string, string> {
  return {
    'listener.name.clients.ssl.keystore.type': 'PEM',
    'listener.name.clients.ssl.keystore.location': keyStoreFile(dataFolder),
    'listener.name.clients.ssl.truststore.type': 'PEM',
    'listener.name.clients.ssl.truststore.location': tls.ca,
    'listener.name.clients.ssl.client.auth':
      tls.requireClientCertificate === true ? 'required' : 'none',
  }
}

/** Certificate and key in one file, as brokers want it. */
export function keyStoreFile(dataFolder: string): string {
  return `${dataFolder}.keystore.pem`
}

function saslProperties(users: readonly KafkaUser[]): Readonly<Record<string, string>> {
  const mechanisms = [...new Set(users.map(({ mechanism }) => mechanism))]
  if (mechanisms.length === 0) return {}
  const jaas = mechanisms.map((mechanism) => [
    `listener.name.clients.${mechanism}.sasl.jaas.config`,
    mechanism === 'plain' ? plainLogin(users) : `${SCRAM_LOGIN} required;`,
  ])
  const enabled = mechanisms.map((mechanism) => mechanism.toUpperCase()).join(',')
  return { 'listener.name.clients.sasl.enabled.mechanisms': enabled, ...Object.fromEntries(jaas) }
}

const PLAIN_LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule'
const SCRAM_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule'

function plainLogin(users: readonly KafkaUser[]): string {
  const entries = users
    .filter(({ mechanism }) => mechanism === 'plain')
    .map(({ user, password }) => ` user_${user}="${password}"`)
  return `${PLAIN_LOGIN} required${entries.join('')};`
}

/** Arguments of the formatter that make the users whose passwords the broker keeps itself. */
export function scramArguments(users: readonly KafkaUser[]): readonly string[] {
  return users
    .filter(({ mechanism }) => mechanism !== 'plain')
    .flatMap(({ mechanism, user, password }) => [
      '--add-scram',
      `${mechanism.toUpperCase()}=[name=${user},password=${password}]`,
    ])
}
