/** The import checker goes red for each kind of breach, for nothing else, and sees every file. */
import { describe, expect, it } from 'vitest'
import { checkImports } from '../../scripts/lib/imports.ts'
import { plantTree } from './planted-tree.ts'

/** Every part exports a value for the others to import, in its own `value.ts`. */
const PARTS = [
  ...['core', 'schema', 'config', 'sql', 'session', 'client', 'node', 'drivers', 'testing'].map(
    (part) => `src/${part}`,
  ),
  ...['replication', 'cdc', 'crdt', 'test'],
]
const planted: Record<string, string> = Object.fromEntries(
  PARTS.map((part) => [`${part}/value.ts`, 'export const value: number = 1\n']),
)

function plant(path: string, text: string): string {
  planted[path] = text
  return path
}

function importing(specifier: string): string {
  return `import { value } from '${specifier}'\nexport const planted: number = value\n`
}

const AGAINST_THE_ARROW = [
  ['core-not-to-schema', 'src/core/a.ts', '../schema/value.ts'],
  ['replication-not-to-cdc', 'replication/a.ts', '../cdc/value.ts'],
  ['cdc-not-to-crdt', 'cdc/a.ts', '../crdt/value.ts'],
  ['crdt-not-to-replication', 'crdt/a.ts', '../replication/value.ts'],
  ['drivers-not-to-sql', 'src/drivers/a.ts', '../sql/value.ts'],
  ['client-not-to-node', 'src/client/a.ts', '../node/value.ts'],
  ['client-not-to-drivers', 'src/client/b.ts', '../drivers/value.ts'],
  ['node-not-to-testing', 'src/node/a.ts', '../testing/value.ts'],
  ['cli-not-to-test', 'src/cli/a.ts', '../../test/value.ts'],
].map(([rule = '', path = '', specifier = '']) => ({
  rule,
  path: plant(path, importing(specifier)),
}))

const ALONG_THE_ARROW = [
  ['src/schema/a.ts', '../core/value.ts'],
  ['src/sql/a.ts', '../schema/value.ts'],
  ['src/drivers/b.ts', '../config/value.ts'],
  ['replication/b.ts', '../src/session/value.ts'],
  ['src/node/b.ts', '../drivers/value.ts'],
  ['src/testing/a.ts', '../node/value.ts'],
  ['test/a.ts', '../src/cli/a.ts'],
].map(([path = '', specifier = '']) => ({ path: plant(path, importing(specifier)) }))

const TYPES_OF_EACH_OTHER = [
  plant('src/session/a.ts', "import type { B } from './b.ts'\nexport type A = B[]\n"),
  plant('src/session/b.ts', "import type { A } from './a.ts'\nexport type B = A | null\n"),
]

const OTHER_BREACHES = [
  {
    rule: 'core-not-to-sql',
    what: 'a type that comes from the wrong side',
    path: plant('src/core/b.ts', "import type { T } from '../sql/b.ts'\nexport type P = T\n"),
  },
  {
    rule: 'no-cycle',
    what: 'a cycle',
    path: plant('src/sql/cycle-a.ts', "export { b as a } from './cycle-b.ts'\n"),
  },
  {
    rule: 'node-builtins-only-at-the-edges',
    what: 'a Node module in an engine',
    path: plant('cdc/b.ts', "export { join as planted } from 'node:path'\n"),
  },
  {
    rule: 'client-reaches-no-driver-or-engine',
    what: 'a driver that the client reaches through another part',
    path: plant('src/client/c.ts', importing('../config/through.ts')),
  },
  {
    rule: 'libsql-only-in-drivers',
    what: 'libSQL outside the drivers',
    path: plant('src/node/c.ts', "export { default as planted } from 'libsql'\n"),
  },
  {
    rule: 'ship-only-with-declared-dependencies',
    what: 'a development dependency in what is shipped',
    path: plant('src/node/d.ts', "export { default as planted } from 'fast-check'\n"),
  },
  {
    rule: 'every-folder-has-a-place-in-the-arrow',
    what: 'a folder that has no place in the arrow',
    path: plant('src/misc/a.ts', importing('../core/value.ts')),
  },
  {
    rule: 'import-what-exists',
    what: 'an import of what is not there',
    path: plant('src/core/c.ts', importing('./gone.ts')),
  },
]
plant('src/sql/b.ts', 'export type T = number\n')
plant('src/sql/cycle-b.ts', "export { a as b } from './cycle-a.ts'\n")
plant('src/config/through.ts', importing('../drivers/value.ts'))
plant('src/drivers/node.ts', "export { join as planted } from 'node:path'\n")
plant('src/drivers/libsql.ts', "export { default as planted } from 'libsql'\n")

async function check(): ReturnType<typeof checkImports> {
  using tree = plantTree(planted)
  return await checkImports(tree.root)
}

const { violations, unseen } = await check()

function rulesBrokenBy(path: string): readonly string[] {
  return violations
    .filter((violation) => violation.includes(`: ${path} `))
    .map((violation) => violation.slice(0, violation.indexOf(':')))
}

describe('the import checker', () => {
  it('sees every file', () => {
    expect(unseen).toEqual([])
  })

  it.each(AGAINST_THE_ARROW)('refuses an import by $rule', ({ rule, path }) => {
    expect(rulesBrokenBy(path)).toContain(rule)
  })

  it.each(ALONG_THE_ARROW)('allows the imports of $path', ({ path }) => {
    expect(rulesBrokenBy(path)).toEqual([])
  })

  it.each(TYPES_OF_EACH_OTHER)('allows types that refer to each other: %s', (path) => {
    expect(rulesBrokenBy(path)).toEqual([])
  })

  it.each(OTHER_BREACHES)('refuses $what', ({ rule, path }) => {
    expect(rulesBrokenBy(path)).toEqual([rule])
  })

  it('allows a Node module and libSQL in a driver', () => {
    expect(rulesBrokenBy('src/drivers/node.ts')).toEqual([])
    expect(rulesBrokenBy('src/drivers/libsql.ts')).toEqual([])
  })
})
