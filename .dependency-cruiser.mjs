/**
 * Which part may import which. A part that is not named for another is forbidden to it, and each
 * forbidden direction is a rule of its own, so that a breach says what it broke.
 *
 *   core ← schema, config, crypto, protocol, hrana, sql ← tenancy, session, cache
 *        ← replication | cdc | crdt (never each other) ← client, node ← testing, cluster ← benchmarks ← cli
 */

const DATA = ['core', 'schema', 'config', 'crypto', 'protocol', 'hrana', 'sql']
const SERVICES = [...DATA, 'tenancy', 'session', 'cache']
const ENGINES = [...SERVICES, 'replication', 'cdc', 'crdt']

/** What each part may import besides itself. */
const ALLOWED = {
  core: [],
  schema: ['core'],
  config: ['core'],
  crypto: ['core', 'schema'],
  protocol: ['core', 'schema'],
  hrana: ['core'],
  sql: ['core', 'schema'],
  tenancy: DATA,
  session: DATA,
  cache: DATA,
  replication: SERVICES,
  cdc: SERVICES,
  crdt: SERVICES,
  drivers: ['core', 'config'],
  client: [...SERVICES, 'crdt'],
  node: [...ENGINES, 'drivers', 'client'],
  testing: [...ENGINES, 'drivers', 'client', 'node'],
  // Engines, stores and nodes as processes on one machine.
  cluster: [...ENGINES, 'drivers', 'client', 'node'],
  benchmarks: [...ENGINES, 'drivers', 'client', 'node', 'testing', 'cluster'],
  cli: [...ENGINES, 'drivers', 'client', 'node', 'testing', 'cluster', 'benchmarks'],
  examples: ['client', 'node', 'testing'],
  // Services for tests are the engines that `meridian cluster` starts.
  scripts: ['core', 'cluster'],
}

const TOP_LEVEL = ['replication', 'cdc', 'crdt', 'benchmarks', 'examples', 'scripts', 'test']
const PARTS = [...Object.keys(ALLOWED), 'test']
const SHIPPED = '^(src|replication|cdc|crdt)/'

function folder(part) {
  return TOP_LEVEL.includes(part) ? `^${part}/` : `^src/${part}/`
}

const layers = Object.entries(ALLOWED).flatMap(([from, allowed]) =>
  PARTS.filter((to) => to !== from && !allowed.includes(to)).map((to) => ({
    name: `${from}-not-to-${to}`,
    severity: 'error',
    from: { path: folder(from) },
    to: { path: folder(to) },
  })),
)

export default {
  forbidden: [
    ...layers,
    {
      name: 'every-folder-has-a-place-in-the-arrow',
      comment: 'A new folder of src/ must be added to the table above.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: PARTS.filter((part) => !TOP_LEVEL.includes(part)).map(folder),
      },
      to: {},
    },
    {
      name: 'no-cycle',
      comment: 'Types may refer to each other; what runs has an order.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'node-builtins-only-at-the-edges',
      comment: 'Engines and the client run wherever JavaScript runs: I/O comes through the ports.',
      severity: 'error',
      from: {
        path: SHIPPED,
        pathNot: ['drivers', 'node', 'testing', 'cluster', 'cli'].map(folder),
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'client-reaches-no-driver-or-engine',
      comment: 'What a browser loads must not contain, even indirectly, what only a node needs.',
      severity: 'error',
      from: { path: folder('client') },
      to: {
        path: [
          ...['drivers', 'node', 'replication', 'cdc'].map(folder),
          '(^|/)node_modules/(@libsql|libsql)/',
        ],
        reachable: true,
      },
    },
    {
      name: 'libsql-only-in-drivers',
      comment: 'Everything else speaks to a store through its port.',
      severity: 'error',
      from: { path: SHIPPED, pathNot: ['drivers', 'cluster', 'cli'].map(folder) },
      to: { path: '(^|/)node_modules/(@libsql|libsql)/' },
    },
    {
      name: 'ship-only-with-declared-dependencies',
      comment: 'A user gets the dependencies of package.json, not the development ones.',
      severity: 'error',
      from: { path: SHIPPED, pathNot: folder('cli') },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'benchmarks-start-with-declared-dependencies',
      comment: 'They ship too: what only a peer needs is imported when that peer is measured.',
      severity: 'error',
      // The two databases are folders that are loaded when they are measured.
      from: {
        path: folder('benchmarks'),
        pathNot: '^benchmarks/(micro|peers/(postgresql|cassandra))/',
      },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
        dynamic: false,
      },
    },
    {
      name: 'import-what-exists',
      comment: 'The package itself, as examples import it, exists once it is built.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^meridian(/|$)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
    },
  },
}
