/** The examples of docs/spec/topics.md are what is written. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  changeHeaders,
  deadLetterHeaders,
  encodeDeadLetter,
  encodeEnvelope,
  encodeResolved,
  resolvedHeaders,
} from '../../../../cdc/publish/envelope.ts'
import type { Change } from '../../../../src/core/change.ts'
import { parseRecord } from '../../../support/topic-records.ts'
import { ORDERS } from '../../../support/topic-schema.ts'

const page = readFileSync(new URL('../../../../docs/spec/topics.md', import.meta.url), 'utf8')

/** The example of this name. */
function example(name: string): unknown {
  const block = new RegExp(`^\`\`\`json ${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)
  return JSON.parse(block?.[1] ?? 'null')
}

const OPTIONS = { format: 'json', source: 'eu-west.1a2b3c4d' } as const
const email = new Uint8Array([1, 2, 3, 255])
const change: Change = {
  localSeq: 1207,
  origin: { source: OPTIONS.source, epoch: 3, seq: 1207 },
  txId: '019b7cb2a00012345678',
  index: 0,
  size: 2,
  hlc: '019b7cb2a0000001',
  schemaVersion: 4,
  cause: 'user',
  tableId: ORDERS.id,
  op: 'update',
  tenant: 'acme',
  key: ['o1'],
  before: ['o1', 900, email, new Uint8Array([9]), null],
  after: ['o1', 950, email, new Uint8Array([9]), Date.UTC(2026, 1, 1)],
  version: 'v',
  delta: null,
}

test('the page shows an envelope and its headers as they are written', () => {
  const value = encodeEnvelope(OPTIONS, ORDERS, change)
  expect(example('envelope')).toEqual(parseRecord('json', value))
  // In the page's order of fields, too.
  expect(JSON.stringify(example('envelope'))).toBe(new TextDecoder().decode(value))
  expect(example('headers')).toEqual(changeHeaders(OPTIONS, change, 1198))
})

test('the page shows a resolved record as it is written', () => {
  const value = encodeResolved(OPTIONS, 1207, change.hlc)
  expect(JSON.stringify(example('resolved'))).toBe(new TextDecoder().decode(value))
  expect(example('resolved-headers')).toEqual(resolvedHeaders(OPTIONS, 1207, 1198))
})

test('the page shows a dead letter as it is written, and names its headers', () => {
  const value = encodeDeadLetter(OPTIONS.source, ORDERS, change, 'too-large')
  expect(JSON.stringify(example('dead-letter'))).toBe(new TextDecoder().decode(value))
  for (const name of Object.keys(deadLetterHeaders(OPTIONS.source, change, 'too-large'))) {
    expect(page).toContain(`\`${name}\``)
  }
})
