import { expect, test } from 'vitest'
import { encodeHistory, parseHistory } from '../../../../replication/verify/history.ts'
import { HistoryRecorder } from '../../../../src/cli/history/run/recorder.ts'

function recorder(): HistoryRecorder {
  let now = 7n
  return new HistoryRecorder({ nowNs: () => now++, onEvent: () => undefined })
}

test('what it records is a history', () => {
  const one = recorder()
  const [a, b] = [one.newProcess(), one.newProcess()]
  one.begin(a, { f: 'write', key: 'r0', value: 1 })
  one.begin(b, { f: 'read', key: 'r0', value: null })
  one.end(a, 'ok', 1)
  one.end(b, 'fail', null, 'LOG_UNAVAILABLE')
  one.report('state', 'eu-west', { r0: 1 })
  expect(parseHistory(encodeHistory(one.events))).toEqual(one.events)
  expect(one.events.map(({ process, type }) => [process, type])).toEqual([
    [0, 'invoke'],
    [1, 'invoke'],
    [0, 'ok'],
    [1, 'fail'],
    [2, 'ok'],
  ])
  expect(Object.fromEntries(one.counts)).toEqual({
    write: { ok: 1, fail: 0, info: 0 },
    read: { ok: 0, fail: 1, info: 0 },
  })
})

test('a process has one operation open at a time', () => {
  const one = recorder()
  const process = one.newProcess()
  expect(() => one.end(process, 'ok', 1)).toThrow('no operation open')
  one.begin(process, { f: 'write', key: 'r0', value: 1 })
  expect(() => one.begin(process, { f: 'write', key: 'r0', value: 2 })).toThrow('operation open')
})
