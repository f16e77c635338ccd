import { expect, it } from 'vitest'
import { foreignAnswer } from '../../../../src/client/http/foreign-answer.ts'

it.each([
  [200, 'PROTOCOL_MALFORMED', 'unknown-outcome'],
  [301, 'PROTOCOL_MALFORMED', 'never'],
  [0, 'PROTOCOL_MALFORMED', 'never'],
  [400, 'PROTOCOL_MALFORMED', 'never'],
  [401, 'UNAUTHENTICATED', 'never'],
  [403, 'PERMISSION_DENIED', 'never'],
  [404, 'PROTOCOL_MALFORMED', 'never'],
  [408, 'REGION_UNREACHABLE', 'unknown-outcome'],
  [413, 'REQUEST_TOO_LARGE', 'never'],
  [429, 'OVERLOADED', 'safe'],
  [500, 'REGION_UNREACHABLE', 'unknown-outcome'],
  [502, 'REGION_UNREACHABLE', 'unknown-outcome'],
  [503, 'REGION_UNREACHABLE', 'unknown-outcome'],
  [504, 'REGION_UNREACHABLE', 'unknown-outcome'],
])('an answer of status %i that is no message is %s, %s', (status, code, retry) => {
  const error = foreignAnswer('eu-west', status)
  expect(error).toMatchObject({ code, retry, details: { region: 'eu-west', status } })
  expect(error.message).toContain(`HTTP status ${status}`)
  expect(error.fix).toMatch(/\S/)
})
