/** The linter goes red for what it is there to forbid, and for nothing beside it. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../../scripts/lib/command.ts'
import { plantTree } from './planted-tree.ts'

const LINT_LIMIT_MS = 60_000

/** Files planted into one tree and linted in one run. */
const planted: Record<string, string> = {}

function plant(path: string, text: string): string {
  planted[path] = text
  return path
}

function longFunction(lines: number): string {
  return `export function long(): number {\n  let n = 0\n${'  n++\n'.repeat(lines)}  return n\n}\n`
}

function constants(count: number): string {
  return Array.from({ length: count }, (_, i) => `export const c${i}: number = 1\n`).join('')
}

const AMBIENT = [
  'Date.now()',
  'new Date()',
  'Date()',
  'globalThis.Date.now()',
  'Math.random()',
  "Math['random']()",
  'performance.now()',
  'setTimeout(() => {}, 1)',
  'globalThis.setTimeout(() => {}, 1)',
  'setInterval(() => {}, 1)',
  'setImmediate(() => {})',
  'crypto.randomUUID()',
  'crypto.getRandomValues(new Uint8Array(1))',
].map((expression, i) => ({
  what: expression,
  path: plant(`src/core/ambient-${i}.ts`, `export const planted: unknown = ${expression}\n`),
}))

const HIDDEN = [
  {
    what: 'an alias of Date',
    path: plant('cdc/alias.ts', 'const { now } = Date\nexport const planted: unknown = now\n'),
  },
  {
    what: 'a module of timers',
    path: plant(
      'src/node/timers.ts',
      "import { setTimeout } from 'node:timers/promises'\nexport const planted = setTimeout\n",
    ),
  },
  {
    what: 'randomness of node:crypto',
    path: plant(
      'src/node/random.ts',
      "import { randomBytes } from 'node:crypto'\nexport const planted = randomBytes\n",
    ),
  },
]

const PURE = [
  'new Date(0)',
  'Date.UTC(2026, 0)',
  'Math.max(1, 2)',
  'crypto.subtle',
  '[1].map((performance) => performance)',
].map((expression, i) => ({
  what: expression,
  path: plant(`src/schema/pure-${i}.ts`, `export const planted: unknown = ${expression}\n`),
}))

const EXEMPT = [
  'src/drivers/clock.ts',
  'src/cli/clock.ts',
  'test/clock.ts',
  'scripts/clock.ts',
].map((path) => plant(path, 'export const planted: number = Date.now()\n'))

const FORBIDDEN = [
  {
    what: 'a floating promise',
    rule: 'typescript(no-floating-promises)',
    path: plant(
      'src/core/floating.ts',
      'async function f(): Promise<void> {}\nexport function g(): void {\n  f()\n}\n',
    ),
  },
  {
    what: 'a function of more than 70 lines',
    rule: 'eslint(max-lines-per-function)',
    path: plant('src/core/long-function.ts', longFunction(70)),
  },
  {
    what: 'a file of more than 400 lines',
    rule: 'eslint(max-lines)',
    path: plant('src/core/long-file.ts', constants(401)),
  },
  {
    what: 'a global of Node in an engine',
    rule: 'eslint(no-restricted-globals)',
    path: plant('crdt/global.ts', 'export const planted: unknown = Buffer\n'),
  },
  {
    what: 'a cycle of imports',
    rule: 'import(no-cycle)',
    path: plant(
      'src/core/cycle-a.ts',
      "import { b } from './cycle-b.ts'\nexport const a = (): number => b()\n",
    ),
  },
  {
    what: 'a default export',
    rule: 'import(no-default-export)',
    path: plant('src/core/default.ts', 'export default 1\n'),
  },
]
plant(
  'src/core/cycle-b.ts',
  "import { a } from './cycle-a.ts'\nexport const b = (): number => a()\n",
)

function lint(): { readonly exitCode: number | null; readonly complaints: readonly string[] } {
  using tree = plantTree(planted)
  const cli = join(ROOT, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const { status, stdout } = spawnSync(
    process.execPath,
    [cli, '--format=unix', ...Object.keys(planted)],
    {
      cwd: tree.root,
      encoding: 'utf8',
      timeout: LINT_LIMIT_MS,
    },
  )
  return { exitCode: status, complaints: stdout.split('\n') }
}

const { exitCode, complaints } = lint()

function complaintsAbout(path: string): string {
  return complaints.filter((line) => line.includes(`${path}:`)).join('\n')
}

describe('the linter', () => {
  it('fails when it has something to say', () => {
    expect(exitCode).toBe(1)
  })

  it.each([...AMBIENT, ...HIDDEN])('refuses $what in an engine', ({ path }) => {
    expect(complaintsAbout(path)).toContain('determinism(no-ambient-effects)')
  })

  it.each(PURE)('allows $what in an engine', ({ path }) => {
    expect(complaintsAbout(path)).toBe('')
  })

  it.each(EXEMPT)('allows the clock in %s', (path) => {
    expect(complaintsAbout(path)).toBe('')
  })

  it.each(FORBIDDEN)('refuses $what', ({ path, rule }) => {
    expect(complaintsAbout(path)).toContain(rule)
  })
})
