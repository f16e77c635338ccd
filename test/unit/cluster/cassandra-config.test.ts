/** What Cassandra is told. */
import { describe, expect, it } from 'vitest'
import {
  cassandraArguments,
  cassandraLogging,
  cassandraPlace,
  cassandraYaml,
} from '../../../src/cluster/engines/cassandra-config.ts'

function yaml(): readonly string[] {
  return cassandraYaml({
    host: '127.0.0.102',
    seedHost: '127.0.0.101',
    ports: { storage: 7_001, native: 9_043 },
    token: 1_000,
    dataFolder: '/tmp/a folder',
  })
    .trimEnd()
    .split('\n')
}

describe('the settings of a node', () => {
  it('flush a write before it is acknowledged', () => {
    expect(yaml()).toContain('commitlog_sync: batch')
  })

  it('hold back nothing that goes to another data center', () => {
    expect(yaml()).toContain('inter_dc_tcp_nodelay: true')
  })

  it('listen at the address of the node alone', () => {
    const lines = yaml()
    expect(lines).toContain('listen_address: 127.0.0.102')
    expect(lines).toContain('rpc_address: 127.0.0.102')
    expect(lines).toContain('storage_port: 7001')
    expect(lines).toContain('native_transport_port: 9043')
    expect(lines.some((line) => line.includes('0.0.0.0'))).toBe(false)
  })

  it('name the first node as the one that is asked first', () => {
    expect(yaml()).toContain('      - seeds: "127.0.0.101:7001"')
  })

  it('quote folders', () => {
    const lines = yaml()
    expect(lines).toContain('commitlog_directory: "/tmp/a folder/commitlog"')
    expect(lines).toContain('data_file_directories: ["/tmp/a folder/data"]')
  })
})

it('the place of a node is its region', () => {
  expect(cassandraPlace('eu-west')).toBe('dc=eu-west\nrack=rack\n')
})

it('what a node logs goes to its output', () => {
  expect(cassandraLogging()).toContain('ch.qos.logback.core.ConsoleAppender')
})

it('the settings are found before anything in the jars', () => {
  const line = cassandraArguments({
    jars: '/jars',
    meterJar: 'jamm-1.jar',
    settingsFolder: '/settings',
    dataFolder: '/data',
    heapMb: 300,
  })
  expect(line).toEqual(expect.arrayContaining(['-Xmx300m', '-javaagent:/jars/jamm-1.jar']))
  expect(line).toContain('-Dcassandra.config=file:///settings/cassandra.yaml')
  expect(line.slice(-3)).toEqual([
    '-cp',
    '/settings:/jars/*',
    'org.apache.cassandra.service.CassandraDaemon',
  ])
})
