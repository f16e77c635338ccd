/** What a node of Cassandra reads: its settings, its place, and how its Java is started. */
import { join } from 'node:path'

/** Where nodes listen: all at the same ports, each at an address of its own. */
export interface CassandraPorts {
  /** For the other nodes. */
  readonly storage: number
  /** For clients. */
  readonly native: number
}

/** What a node's settings are made of. */
export interface CassandraSettings {
  readonly host: string
  /** The address of the node that the others ask first. */
  readonly seedHost: string
  readonly ports: CassandraPorts
  /** Its own in the cluster. */
  readonly token: number
  readonly dataFolder: string
}

const MIB = 'MiB'

/** `cassandra.yaml`. */
export function cassandraYaml(settings: CassandraSettings): string {
  const { host, seedHost, ports, token, dataFolder } = settings
  const text = (value: string): string => JSON.stringify(value)
  const folder = (name: string): string => text(join(dataFolder, name))
  const lines: Readonly<Record<string, string | number | boolean>> = {
    cluster_name: 'meridian',
    num_tokens: 1,
    initial_token: text(`${token}`),
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    endpoint_snitch: 'GossipingPropertyFileSnitch',
    listen_address: host,
    rpc_address: host,
    storage_port: ports.storage,
    native_transport_port: ports.native,
    // New and empty, all of them: there is nothing to stream.
    auto_bootstrap: false,
    // A write is flushed before it is acknowledged; by default it is within ten seconds.
    commitlog_sync: 'batch',
    // Linearizable operations with the fewest round trips.
    paxos_variant: 'v2',
    // By default, what goes to another data center waits for more to go with it.
    inter_dc_tcp_nodelay: true,
    memtable_heap_space: `64${MIB}`,
    memtable_offheap_space: `64${MIB}`,
    commitlog_segment_size: `8${MIB}`,
    key_cache_size: `8${MIB}`,
    file_cache_size: `32${MIB}`,
    // A busy machine is slow; that is to be seen as latency, not as failures.
    read_request_timeout: '10s',
    write_request_timeout: '10s',
    cas_contention_timeout: '10s',
    data_file_directories: `[${folder('data')}]`,
    commitlog_directory: folder('commitlog'),
    saved_caches_directory: folder('saved_caches'),
    hints_directory: folder('hints'),
    cdc_raw_directory: folder('cdc_raw'),
  }
  return [
    ...Object.entries(lines).map(([name, value]) => `${name}: ${value}`),
    'seed_provider:',
    '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider',
    '    parameters:',
    `      - seeds: ${text(`${seedHost}:${ports.storage}`)}`,
    '',
  ].join('\n')
}

/** `cassandra-rackdc.properties`. */
export function cassandraPlace(dataCenter: string): string {
  return `dc=${dataCenter}\nrack=rack\n`
}

/** `logback.xml`: to its standard output, where a launcher keeps it. */
export function cassandraLogging(): string {
  return [
    '<configuration>',
    '  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">',
    '    <encoder><pattern>%date %-5level %logger{20} %message%n</pattern></encoder>',
    '  </appender>',
    '  <root level="WARN"><appender-ref ref="OUT"/></root>',
    '</configuration>',
    '',
  ].join('\n')
}

/** What a node's Java is started with. */
export interface CassandraJava {
  /** The folder with the jars. */
  readonly jars: string
  /** The name among them of the one that measures objects. */
  readonly meterJar: string
  /** The folder with the files above. */
  readonly settingsFolder: string
  readonly dataFolder: string
  readonly heapMb: number
}

/** As in the distribution's `jvm17-server.options`. */
const EXPORTS = [
  'java.base/jdk.internal.misc',
  'java.base/java.lang.ref',
  'java.management.rmi/com.sun.jmx.remote.internal.rmi',
  'java.rmi/sun.rmi.registry',
  'java.rmi/sun.rmi.server',
  'java.sql/java.sql',
  'jdk.attach/sun.tools.attach',
  'jdk.compiler/com.sun.tools.javac.file',
  'jdk.unsupported/sun.misc',
]
const OPENS = [
  'java.base/java.io',
  'java.base/java.lang',
  'java.base/java.lang.module',
  'java.base/java.lang.reflect',
  'java.base/java.util',
  'java.base/jdk.internal.loader',
  'java.base/jdk.internal.math',
  'java.base/jdk.internal.module',
  'java.base/jdk.internal.ref',
  'java.base/jdk.internal.reflect',
  'java.base/jdk.internal.util.jar',
  'java.base/sun.nio.ch',
  'jdk.compiler/com.sun.tools.javac',
  'jdk.management/com.sun.management.internal',
]
/** How long a node that starts asks whether others are there; a busy machine is slow to answer. */
const RING_DELAY_MS = 20_000

/** The arguments of Java. */
export function cassandraArguments(java: CassandraJava): readonly string[] {
  const { jars, meterJar, settingsFolder, dataFolder, heapMb } = java
  const properties = {
    'cassandra.config': `file://${join(settingsFolder, 'cassandra.yaml')}`,
    'cassandra.storagedir': dataFolder,
    'cassandra-foreground': 'yes',
    'cassandra.ring_delay_ms': `${RING_DELAY_MS}`,
    'cassandra.skip_wait_for_gossip_to_settle': '0',
    'cassandra.shutdown_announce_in_ms': '100',
    'io.netty.tryReflectionSetAccessible': 'true',
    'jdk.attach.allowAttachSelf': 'true',
  }
  return [
    `-Xmx${heapMb}m`,
    `-Xms${heapMb}m`,
    '-XX:+UseG1GC',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    `-javaagent:${join(jars, meterJar)}`,
    ...EXPORTS.map((name) => `--add-exports=${name}=ALL-UNNAMED`),
    ...OPENS.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    `${settingsFolder}:${join(jars, '*')}`,
    'org.apache.cassandra.service.CassandraDaemon',
  ]
}
