/** What PostgreSQL reads: its settings, who may connect, and how a standby reaches its primary. */
import { splitAddress } from './split-address.ts'

/** The superuser that a cluster begins with. */
export const POSTGRESQL_USER = 'postgres'

/** A server's place in its cluster. */
export type PostgresqlRole =
  | {
      readonly kind: 'primary'
      /** Names of standbys; a commit waits for `quorum` of them. Default: none. */
      readonly standbys: readonly string[]
      /** Standbys that must have flushed a commit before it is acknowledged. 0: none. */
      readonly quorum: number
    }
  | {
      readonly kind: 'standby'
      /** The name that the primary knows it by. */
      readonly name: string
      /** `host:port` where it reaches the primary. */
      readonly primary: string
      /** The superuser's. */
      readonly password: string
    }

/** What a server's settings are made of. */
export interface PostgresqlSettings {
  readonly port: number
  readonly dataFolder: string
  readonly accessFile: string
  readonly maxConnections: number
  readonly role: PostgresqlRole
  /** More settings, by name. */
  readonly more: Readonly<Record<string, string>>
}

const MAX_WAL_SENDERS = 16

/** `postgresql.conf`. */
export function postgresqlConf(settings: PostgresqlSettings): string {
  const { port, dataFolder, accessFile, maxConnections, role, more } = settings
  const values: Readonly<Record<string, string>> = {
    data_directory: dataFolder,
    hba_file: accessFile,
    listen_addresses: '127.0.0.1',
    port: `${port}`,
    unix_socket_directories: '',
    // A standby refuses fewer than its primary has.
    max_connections: `${maxConnections}`,
    max_wal_senders: `${MAX_WAL_SENDERS}`,
    shared_buffers: '64MB',
    // In the data folder, which goes with it: files in /dev/shm outlive a crash.
    dynamic_shared_memory_type: 'mmap',
    wal_level: 'replica',
    hot_standby: 'on',
    // A standby that was away finds what it missed.
    wal_keep_size: '256MB',
    fsync: 'on',
    full_page_writes: 'on',
    // An acknowledged commit is flushed here and by the standbys that it waits for.
    synchronous_commit: 'on',
    ...roleSettings(role),
    ...more,
  }
  return Object.entries(values)
    .map(([name, value]) => `${name} = ${quote(value)}\n`)
    .join('')
}

function roleSettings(role: PostgresqlRole): Readonly<Record<string, string>> {
  if (role.kind === 'primary') {
    return { synchronous_standby_names: synchronousStandbyNames(role.quorum, role.standbys) }
  }
  const { name, primary, password } = role
  const { host, port } = splitAddress(primary)
  const parts = {
    host,
    port,
    user: POSTGRESQL_USER,
    password,
    application_name: name,
  }
  const text = Object.entries(parts).map(([key, value]) => `${key}=${connectionQuote(value)}`)
  return { primary_conninfo: text.join(' '), synchronous_standby_names: '' }
}

/** `ANY k (…)`; empty where a commit waits for no standby. */
export function synchronousStandbyNames(quorum: number, standbys: readonly string[]): string {
  if (quorum === 0) return ''
  const names = standbys.map((name) => `"${name.replaceAll('"', '""')}"`)
  return `ANY ${quorum} (${names.join(', ')})`
}

/** Standbys that a commit waits for, so that with the primary they are a majority of all members. */
export function majorityQuorum(members: number): number {
  return Math.floor(members / 2)
}

/** `pg_hba.conf`: from this machine alone, and with the password. */
export function postgresqlAccess(): string {
  return ['all', 'replication']
    .map((database) => `host ${database} all 127.0.0.0/8 scram-sha-256\n`)
    .join('')
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

/** As libpq reads the values of a connection string. */
function connectionQuote(value: string): string {
  return `'${value.replaceAll(/['\\]/g, String.raw`\$&`)}'`
}
