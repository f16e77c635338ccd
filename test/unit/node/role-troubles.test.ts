import { expect, test } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { logTroubles } from '../../../src/node/observe/role-troubles.ts'
import { memoryLog } from '../../support/memory-log.ts'

const away = new MeridianError('LOG_UNAVAILABLE', 'Kafka at a:1 failed.')
const awayInOtherWords = new MeridianError('LOG_UNAVAILABLE', 'Kafka at a:1 gave no answer.')
const full = new MeridianError('LOG_FULL', 'Kafka at a:1 cannot write to its disk.')

test('a role that waits is told of once a reason, and once when it goes on', () => {
  const log = memoryLog()
  const clock = { ms: 0 }
  const tell = logTroubles('eu-west', log, {
    nowMs: () => 0,
    monotonicMs: () => clock.ms,
    bootMs: () => clock.ms,
  })
  for (const error of [null, away, away, awayInOtherWords, full, null, null]) tell('relay', error)
  tell('publisher', away)
  tell('relay', away)
  clock.ms = 60_000
  tell('relay', away)
  tell('relay', awayInOtherWords)
  const said = log.lines.map(({ level, event, fields }) => [
    level,
    event,
    fields['role'],
    fields['error'],
  ])
  expect(said).toEqual([
    ['warn', 'role waits', 'relay', away],
    ['warn', 'role waits', 'relay', full],
    ['info', 'role goes on', 'relay', undefined],
    ['warn', 'role waits', 'publisher', away],
    ['warn', 'role waits', 'relay', away],
    ['warn', 'role waits', 'relay', awayInOtherWords],
  ])
})
