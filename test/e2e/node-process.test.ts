import { describe, expect, test } from 'vitest'
import { READY_PATH } from '../../src/core/wire-http.ts'
import { fetchReport } from '../../src/cli/status/fetch-report.ts'
import { layProcesses } from '../support/node-processes.ts'
import { beginRequest } from '../support/slow-request.ts'
import { until } from '../support/until.ts'
import { schema } from './programs/loader-schema.ts'

const SCHEMA_MODULE = 'test/e2e/programs/loader-schema.ts'

describe('`meridian node`', () => {
  test('prints its address as JSON, logs JSON lines, and ends in order on SIGTERM', async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const node = await processes.start('eu-west')
    const [line = ''] = node.stdout().split('\n')
    expect(JSON.parse(line)).toEqual({
      event: 'listening',
      region: 'eu-west',
      regions: ['eu-west'],
      url: processes.url('eu-west'),
    })
    await until(async () => {
      expect((await fetch(processes.url('eu-west') + READY_PATH)).status).toBe(200)
    })
    node.kill('SIGTERM')
    const { code, stderr } = await node.ended
    expect(code).toBe(0)
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((text) => (JSON.parse(text) as { event: string }).event)
    expect(events[0]).toBe('node starts on the loopback interface only')
    expect(events.at(-1)).toBe('node stopped')
  })

  test('ends at once on a second SIGTERM, whatever is in progress', async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const node = await processes.start('eu-west')
    // A body that never comes in full: it would be waited for.
    await beginRequest(processes.url('eu-west'), 'eu-west', new Uint8Array(2))
    await until(async () => {
      const report = await fetchReport(processes.url('eu-west'), {})
      expect(report.requestsInProgress).toBe(1)
    })
    node.kill('SIGTERM')
    await node.prints('"event":"node stops"')
    node.kill('SIGTERM')
    expect((await node.ended).code).toBe(130)
  })

  test('ends with the process that started it where it is asked to', async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const node = await processes.start('eu-west', {
      hasInput: true,
      arguments: ['--until-stdin-ends'],
    })
    node.endInput()
    expect((await node.ended).code).toBe(0)
  })

  test('ends on SIGTERM although its input goes on', async () => {
    const processes = await layProcesses(schema, SCHEMA_MODULE)
    const node = await processes.start('eu-west', {
      hasInput: true,
      arguments: ['--until-stdin-ends'],
    })
    node.kill('SIGTERM')
    expect((await node.ended).code).toBe(0)
  })
})
