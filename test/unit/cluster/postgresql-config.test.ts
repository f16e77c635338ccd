/** What PostgreSQL is told. */
import { describe, expect, it } from 'vitest'
import {
  majorityQuorum,
  postgresqlAccess,
  postgresqlConf,
  synchronousStandbyNames,
  type PostgresqlRole,
} from '../../../src/cluster/engines/postgresql-config.ts'
import { splitAddress } from '../../../src/cluster/engines/split-address.ts'

function confOf(role: PostgresqlRole, more: Readonly<Record<string, string>> = {}): string[] {
  const text = postgresqlConf({
    port: 5499,
    dataFolder: "/tmp/it's/data",
    accessFile: '/tmp/pg_hba.conf',
    maxConnections: 77,
    role,
    more,
  })
  return text.trimEnd().split('\n')
}

const PRIMARY: PostgresqlRole = { kind: 'primary', standbys: ['eu-west', 'ap-south'], quorum: 1 }
const STANDBY: PostgresqlRole = {
  kind: 'standby',
  name: 'eu-west',
  primary: '127.0.2.1:6000',
  password: String.raw`a'b\c`,
}

describe('the settings of a primary', () => {
  it('make an acknowledged commit durable on the primary and on its quorum', () => {
    expect(confOf(PRIMARY)).toEqual(
      expect.arrayContaining([
        "fsync = 'on'",
        "full_page_writes = 'on'",
        "synchronous_commit = 'on'",
        `synchronous_standby_names = 'ANY 1 ("eu-west", "ap-south")'`,
      ]),
    )
  })

  it('listen on the loopback interface alone, and on no socket file', () => {
    expect(confOf(PRIMARY)).toEqual(
      expect.arrayContaining(["listen_addresses = '127.0.0.1'", "unix_socket_directories = ''"]),
    )
  })

  it('quote what they hold', () => {
    expect(confOf(PRIMARY)).toContain("data_directory = '/tmp/it''s/data'")
  })

  it('are replaced by those that are given', () => {
    const lines = confOf(PRIMARY, { shared_buffers: '16MB' })
    expect(lines.filter((line) => line.startsWith('shared_buffers'))).toEqual([
      "shared_buffers = '16MB'",
    ])
  })
})

describe('the settings of a standby', () => {
  it('name it to the primary, quoted as libpq reads it', () => {
    const escaped = String.raw`password=''a\''b\\c''`
    expect(confOf(STANDBY)).toContain(
      `primary_conninfo = 'host=''127.0.2.1'' port=''6000'' user=''postgres'' ${escaped} application_name=''eu-west'''`,
    )
  })

  it('wait for nobody, and take as many connections as the primary', () => {
    expect(confOf(STANDBY)).toEqual(
      expect.arrayContaining(["synchronous_standby_names = ''", "max_connections = '77'"]),
    )
  })
})

describe('the quorum', () => {
  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
  ])('of %i members is %i standbys: a majority with the primary', (members, standbys) => {
    expect(majorityQuorum(members)).toBe(standbys)
    expect(2 * (standbys + 1)).toBeGreaterThan(members)
  })

  it('of none names no standby, since `ANY 0` is not a setting', () => {
    expect(synchronousStandbyNames(0, ['a'])).toBe('')
  })

  it('quotes names', () => {
    expect(synchronousStandbyNames(2, ['a', 'b"c', 'd'])).toBe('ANY 2 ("a", "b""c", "d")')
  })
})

it('only this machine may connect, and only with the password', () => {
  for (const line of postgresqlAccess().trimEnd().split('\n')) {
    expect(line).toMatch(/^host (all|replication) all 127\.0\.0\.0\/8 scram-sha-256$/)
  }
})

it('an address is split at its last colon', () => {
  expect(splitAddress('127.0.1.2:7000')).toEqual({ host: '127.0.1.2', port: '7000' })
})
