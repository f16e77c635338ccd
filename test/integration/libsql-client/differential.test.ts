/**
 * The same random statements through `@libsql/client` on a file and on the server: equal rows,
 * types, columns, counts and errors. `MERIDIAN_DIFFERENTIAL_SEED` and `…_STATEMENTS` vary it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client, type InStatement, type ResultSet } from '@libsql/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStoreServer } from '../../../src/node/store-server.ts'
import { argumentsFor, comparableError, comparableResult, type Side } from './known-differences.ts'
import { RandomStatements, SCHEMA, TRIMMING, type RandomStatement } from './random-statements.ts'

const SEED = Number(process.env['MERIDIAN_DIFFERENTIAL_SEED'] ?? 20_261)
/** For each of the two transports. */
const STATEMENTS = Number(process.env['MERIDIAN_DIFFERENTIAL_STATEMENTS'] ?? 51_000)
const BATCH_SIZE = 120

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meridian-differential-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** How a group of statements is sent. */
type Form = 'batch' | 'transaction' | 'rolled back' | 'single' | 'migrate'

describe.each(['http', 'ws'] as const)('over %s', (scheme) => {
  test(`${STATEMENTS} random statements have the outcomes that they have on a file`, async () => {
    const server = await openStoreServer()
    const file = createClient({ url: `file:${join(directory, `${scheme}.db`)}`, intMode: 'bigint' })
    const remote = createClient({ url: server.url.replace('http', scheme), intMode: 'bigint' })
    try {
      const { executed, succeeded } = await compare(file, remote, SEED + (scheme === 'ws' ? 1 : 0))
      expect(await contents(remote)).toEqual(await contents(file))
      // Otherwise it would compare errors and little else.
      expect(succeeded).toBeGreaterThan(executed * 0.9)
    } finally {
      file.close()
      remote.close()
      await server.close()
    }
  }, 300_000)
})

async function compare(
  file: Client,
  remote: Client,
  seed: number,
): Promise<{ executed: number; succeeded: number }> {
  const source = new RandomStatements(seed)
  await file.executeMultiple(SCHEMA)
  await remote.executeMultiple(SCHEMA)
  let executed = 0
  let succeeded = 0
  for (let group = 0; executed < STATEMENTS; group++) {
    const form = formOf(source)
    // A wrong statement ends a batch: most groups have none.
    const errors = source.chance(0.1) ? 0.05 : 0
    const size = form === 'single' ? 5 : BATCH_SIZE
    const statements = [...TRIMMING, ...Array.from({ length: size }, () => source.next(errors))]
    const expected = await outcome(file, 'file', form, statements)
    const actual = await outcome(remote, 'server', form, statements)
    // As texts first: looking for differences takes longer than everything else.
    if (textOf(actual) !== textOf(expected)) {
      expect(actual, `seed ${seed}, group ${group}, ${form}`).toEqual(expected)
    }
    executed += expected.length
    succeeded += expected.filter((one) => one.error === undefined).length
  }
  return { executed, succeeded }
}

function formOf(source: RandomStatements): Form {
  const forms: readonly Form[] = [
    'batch',
    'batch',
    'transaction',
    'rolled back',
    'single',
    'migrate',
  ]
  return forms[source.below(forms.length)] ?? 'batch'
}

/** What became of one statement; a group ends with the first that fails. */
interface Outcome {
  readonly result?: unknown
  readonly error?: unknown
}

async function outcome(
  client: Client,
  side: Side,
  form: Form,
  statements: readonly RandomStatement[],
): Promise<Outcome[]> {
  const sent = statements.map((one): InStatement => ({
    sql: one.sql,
    args: argumentsFor(side, one),
  }))
  if (form === 'single') return singly(client, statements, sent)
  try {
    const results = await together(client, form, sent)
    return results.map((result, i) => ({
      result: comparableResult(result, statements[i] as RandomStatement),
    }))
  } catch (error) {
    const comparable = comparableError(error) as { statementIndex: number | null }
    const before = comparable.statementIndex ?? 0
    return [...Array.from({ length: before }, () => ({})), { error: comparable }]
  }
}

async function singly(
  client: Client,
  statements: readonly RandomStatement[],
  sent: readonly InStatement[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [i, statement] of sent.entries()) {
    outcomes.push(
      await client.execute(statement).then(
        (result) => ({ result: comparableResult(result, statements[i] as RandomStatement) }),
        (error: unknown) => ({ error: comparableError(error) }),
      ),
    )
  }
  return outcomes
}

async function together(client: Client, form: Form, sent: InStatement[]): Promise<ResultSet[]> {
  if (form === 'batch') return client.batch(sent, 'write')
  if (form === 'migrate') return client.migrate(sent)
  const transaction = await client.transaction('write')
  try {
    const half = sent.length / 2
    const first = await transaction.batch(sent.slice(0, half))
    const second = await transaction.batch(sent.slice(half))
    await (form === 'transaction' ? transaction.commit() : transaction.rollback())
    return [...first, ...second]
  } finally {
    transaction.close()
  }
}

function textOf(outcomes: readonly Outcome[]): string {
  return JSON.stringify(outcomes, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
}

async function contents(client: Client): Promise<unknown[]> {
  const tables = ['plain', 'typed', 'pairs', 'child']
  const results = await client.batch(tables.map((table) => `SELECT * FROM ${table} ORDER BY 1, 2`))
  return results.map((result) =>
    comparableResult(result, { sql: 'SELECT', args: [], insertsRowid: false }),
  )
}
