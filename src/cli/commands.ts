/** The commands that there are; each is loaded when it is called. */
import type { Command } from './command.ts'

/** A command that is loaded when it is called. */
export interface CommandEntry {
  readonly summary: string
  load(): Promise<Command>
}

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  dev: {
    summary: 'All regions in this process, with a page that shows them.',
    load: async () => (await import('./dev/command.ts')).devCommand,
  },
  init: {
    summary: 'A service to begin from: schema, configuration, tests.',
    load: async () => (await import('./init/command.ts')).initCommand,
  },
  node: {
    summary: 'A node as a process, for clients and other nodes.',
    load: async () => (await import('./node/command.ts')).nodeCommand,
  },
  cluster: {
    summary: 'Regions with etcd, Kafka, Redis, stores and nodes, all on this machine.',
    load: async () => (await import('./cluster/command.ts')).clusterCommand,
  },
  status: {
    summary: 'How every node of a deployment stands.',
    load: async () => (await import('./status/command.ts')).statusCommand,
  },
  strong: {
    summary: 'Strong tables: who leads their log, how far regions are, what writes cost.',
    load: async () => (await import('./strong/command.ts')).strongCommand,
  },
  config: {
    summary: 'Whether a configuration can work, and what it survives.',
    load: async () => (await import('./config/command.ts')).configCommand,
  },
  keygen: {
    summary: 'A key pair for an issuer of tokens or for a node.',
    load: async () => (await import('./keygen/command.ts')).keygenCommand,
  },
  token: {
    summary: 'Sign a token of a client, for development and tests.',
    load: async () => (await import('./token/command.ts')).tokenCommand,
  },
  lock: {
    summary: 'Write the schema lock that all nodes of a deployment need.',
    load: async () => (await import('./lock/command.ts')).lockCommand,
  },
  store: {
    summary: 'A small libSQL server over one file, for tests and local work.',
    load: async () => (await import('./store/command.ts')).storeCommand,
  },
  demo: {
    summary: 'Three regions, 135,000 cities, every guarantee checked.',
    load: async () => (await import('./demo/command.ts')).demoCommand,
  },
  bench: {
    summary: 'Latencies over emulated distances, beside limits, raw engines and bounds.',
    load: async () => (await import('./bench/command.ts')).benchCommand,
  },
  history: {
    summary: 'What clients see while nodes, etcd and links fail, recorded and judged.',
    load: async () => (await import('./history/command.ts')).historyCommand,
  },
}
