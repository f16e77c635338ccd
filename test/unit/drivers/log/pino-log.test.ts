import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { LogFields, LogLevel } from '../../../../src/core/ports/log.ts'
import { createPinoLog } from '../../../../src/drivers/log/pino-log.ts'

/** What one line at a level says, as JSON. */
function written(fields: LogFields, level: LogLevel = 'info'): Record<string, unknown> {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  createPinoLog({ level: 'info', destination }).write(level, 'it happened', fields)
  return lines.length === 0 ? {} : (JSON.parse(lines.join('')) as Record<string, unknown>)
}

describe('a line', () => {
  it('is a JSON object with its time, level, event and fields', () => {
    const line = written({ region: 'us-east', count: 3 }, 'warn')
    expect(line).toMatchObject({ level: 'warn', event: 'it happened', region: 'us-east', count: 3 })
    expect(new Date(line['time'] as string).toISOString()).toBe(line['time'])
  })

  it('below the level is left out', () => {
    expect(written({}, 'debug')).toEqual({})
  })

  it.each(['authorization', 'token', 'password', 'secret', 'privateKey', 'key', 'cookie'])(
    'holds no field %s, at the top or below',
    (name) => {
      const text = JSON.stringify(written({ [name]: 'hunter2', about: { [name]: 'hunter2' } }))
      expect(text).not.toContain('hunter2')
      expect(text).toContain('[redacted]')
    },
  )
})

describe('an error in a line', () => {
  it('that is typed says its code, its message and its cause', () => {
    const cause = new MeridianError('STORE_FULL', 'The disk is full.')
    const error = new MeridianError('LOG_UNAVAILABLE', 'The log failed.', { cause })
    expect(written({ error })['error']).toEqual({
      code: 'LOG_UNAVAILABLE',
      message: 'The log failed.',
      retry: 'safe',
      cause: { code: 'STORE_FULL', message: 'The disk is full.', retry: 'safe' },
    })
  })

  it.each([
    ['any other', new RangeError('row-canary is too large')],
    ['an unexpected one', new MeridianError('INTERNAL', 'Unexpected failure: row-canary.')],
    [
      'one whose cause is',
      new MeridianError('LOG_UNAVAILABLE', 'It failed.', { cause: new Error('row-canary') }),
    ],
    ['one whose message has lines', new Error('a\n    at row-canary\nb')],
  ])('that is %s says where it happened and nothing that it was given', (_case, error) => {
    const text = JSON.stringify(written({ error }))
    expect(text).not.toContain('row-canary')
    expect(text).toContain('pino-log.test.ts')
  })
})
