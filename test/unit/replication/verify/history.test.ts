import { describe, expect, it } from 'vitest'
import {
  encodeHistory,
  parseHistory,
  type HistoryEvent,
} from '../../../../replication/verify/history.ts'
import { HistoryWriter, randomTransfers } from '../../../support/random-histories.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

const EVENT = { process: 0, type: 'invoke', f: 'read', key: 'x', value: null, timeNs: 5 } as const

/** A history of the event, with these fields changed, as text. */
function line(change: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...EVENT, ...change })
}

describe('histories as text', () => {
  it('come back as they were', () => {
    const events = randomTransfers(seededRandom(1), {
      ...{ operations: 50, clients: 4, unknown: 0.1, wrong: 0, accounts: 3 },
    })
    const text = encodeHistory(events)
    expect(parseHistory(text)).toEqual(events)
    expect(text.split('\n')).toHaveLength(events.length + 1)
    expect(encodeHistory([])).toBe('')
    expect(parseHistory('')).toEqual([])
  })

  it('have one form', () => {
    expect(encodeHistory([EVENT])).toBe(
      '{"process":0,"type":"invoke","f":"read","key":"x","value":null,"timeNs":5}\n',
    )
    const bare: HistoryEvent = { ...EVENT, value: undefined }
    expect(encodeHistory([bare])).toBe(encodeHistory([EVENT]))
  })

  it('may lack a key and a value, and have empty lines and further fields', () => {
    const text = '\n{"process":0,"type":"invoke","f":"txn","timeNs":5,"node":"a"}\r\n\n'
    expect(parseHistory(text)).toEqual([
      { process: 0, type: 'invoke', f: 'txn', key: null, value: null, timeNs: 5 },
    ])
  })

  it.each([Number.NaN, Infinity, 1n, [{ deep: Number.NaN }]])('refuse the value %o', (value) => {
    expect(() => encodeHistory([EVENT, { ...EVENT, value }])).toThrow(/Line 2 .* not plain JSON/)
  })

  it.each([
    ['{', 'not JSON'],
    ['[]', 'not an object'],
    ['null', 'not an object'],
    [line({ process: -1 }), '`process`'],
    [line({ process: '0' }), '`process`'],
    [line({ type: 'done' }), '`type`'],
    [line({ f: '' }), '`f`'],
    [line({ key: 1 }), '`key`'],
    [line({ timeNs: 0.5 }), '`timeNs`'],
    [line({ timeNs: 2 ** 53 }), '`timeNs`'],
    [line({ timeNs: 4 }), 'time runs back'],
    [line({}), 'process 0 has an operation open already'],
    [line({ process: 1, type: 'ok' }), 'process 1 has no operation open'],
    [line({ type: 'ok', f: 'write' }), 'process 0 ends another operation'],
    [line({ type: 'ok', key: 'y' }), 'process 0 ends another operation'],
    [line({ f: 'emit' }), '`emit` stands alone'],
  ])('are refused at line 3: %s', (third, why) => {
    const error = expectError(() => parseHistory(`${line({})}\n\n${third}\n`))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { line: 3 } })
    expect(error.message).toContain(why)
  })

  it('end a process with an unknown outcome', () => {
    const { events } = new HistoryWriter()
      .add(0, 'invoke', 'read', 'x', null)
      .add(0, 'info', 'read', 'x', null)
      .add(0, 'ok', 'emit', 'x', 1)
    expect(parseHistory(encodeHistory(events))).toEqual(events)
    const further = encodeHistory([...events, { ...EVENT, timeNs: 1e6 }])
    expect(() => parseHistory(further)).toThrow('goes on after an unknown outcome')
  })
})

function expectError(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('Nothing was thrown.')
}
