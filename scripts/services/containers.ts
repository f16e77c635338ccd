/** Engines in containers, for machines that have a Docker daemon and not the programs themselves. */
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'
import { freePorts } from '../../src/cluster/engines/free-ports.ts'
import type { EngineKind } from './engine-kinds.ts'
import type { Service } from './open-services.ts'

const ETCD_IMAGE = 'quay.io/coreos/etcd:v3.6.4'
const KAFKA_IMAGE = 'apache/kafka:4.1.0'
const REDIS_IMAGE = 'redis:7.4'
const START_TIMEOUT_MS = 300_000

/** Whether a Docker daemon answers. */
export async function hasDocker(): Promise<boolean> {
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  )
}

/** Starts an engine in a container; it ends with this process, which its companion sees to. */
export async function startContainer(kind: EngineKind): Promise<Service> {
  const [port = 0] = await freePorts(1)
  const started = await containerOf(kind, port).withStartupTimeout(START_TIMEOUT_MS).start()
  return {
    kind,
    address: `127.0.0.1:${port}`,
    from: 'container',
    close: async () => {
      await started.stop()
    },
  }
}

function containerOf(kind: EngineKind, host: number): GenericContainer {
  if (kind === 'etcd') return etcd(host)
  if (kind === 'kafka') return kafka(host)
  return new GenericContainer(REDIS_IMAGE)
    .withExposedPorts({ container: 6379, host })
    .withCommand(['redis-server', '--appendonly', 'no', '--save', ''])
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
}

function etcd(host: number): GenericContainer {
  const flags = {
    'listen-client-urls': 'http://0.0.0.0:2379',
    'advertise-client-urls': `http://127.0.0.1:${host}`,
    'max-request-bytes': '8388608',
  }
  return new GenericContainer(ETCD_IMAGE)
    .withExposedPorts({ container: 2379, host })
    .withCommand(['etcd', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)])
    .withWaitStrategy(Wait.forHttp('/health', 2379))
}

function kafka(host: number): GenericContainer {
  return new GenericContainer(KAFKA_IMAGE)
    .withExposedPorts({ container: 9092, host })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: 'CLIENTS://:9092,INTERNAL://:9094,CONTROLLER://:9093',
      // Clients come from outside, by the port that the container's is mapped to.
      KAFKA_ADVERTISED_LISTENERS: `CLIENTS://127.0.0.1:${host},INTERNAL://localhost:9094`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
        'CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
}
