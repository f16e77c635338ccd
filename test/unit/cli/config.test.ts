import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { FileReport } from '../../../src/cli/config/check-file.ts'
import type { Probe } from '../../../src/cli/config/live/probe.ts'
import { runMeridian, type Ran } from '../../support/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'meridian-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'meridian.yaml')
  writeFileSync(path, text)
  return path
}

function run(...args: readonly string[]): Promise<Ran> {
  return runMeridian('config', ...args)
}

const ETCD = "commitLog: { etcd: { members: { a: ['127.0.0.1:1'] } } }"
const BROKEN = `regions: [a]
stores:
  a: { url: 'ws://elsewhere', token: { env: T } }
`

describe('meridian config check', { timeout: 180_000 }, () => {
  it('ends with 0 and prints size and survival where all can work', async () => {
    const { code, stdout } = await run('check', '--config', file('regions: [a]'))
    expect(code).toBe(0)
    expect(stdout).toContain('size: embedded')
    expect(stdout).toMatch(/the machine, its disk too +lost +lost +lost +stop +stop/)
    expect(stdout).toContain('can work.')
  })

  it('ends with 1 and names line, path and remedy of what cannot work', async () => {
    const { code, stdout } = await run('check', '--config', file(BROKEN))
    expect(code).toBe(1)
    expect(stdout).toContain('meridian.yaml:3: stores.a: the password of the store of a crosses')
    expect(stdout).toContain('[password-in-the-clear]')
    expect(stdout).toContain('Add `tls`')
    expect(stdout).toContain('cannot work: 1 problem.')
  })

  it('ends with 1 and the line where the file is not understood', async () => {
    const { code, stdout } = await run('check', '--config', file('regions: [a]\nspeed: 3'))
    expect(code).toBe(1)
    expect(stdout).toContain('Unrecognized key')
    expect(stdout).toContain('[file-invalid]')
  })

  it('refuses several nodes on a file store', async () => {
    const text = `regions: [a]\n${ETCD}\nnodes:\n  a: [{ url: 'http://127.0.0.1:1' }, { url: 'http://127.0.0.1:2' }]`
    const { code, stdout } = await run('check', '--config', file(text))
    expect(code).toBe(1)
    expect(stdout).toContain('several nodes need `stores.a`')
  })

  it('prints the same as JSON', async () => {
    const { code, stdout } = await run('check', '--config', file(BROKEN), '--json')
    const report = JSON.parse(stdout) as FileReport
    expect(code).toBe(1)
    expect(report).toMatchObject({ size: 'mixed', problems: [{ path: 'stores.a' }] })
    expect(report.survival.length).toBeGreaterThan(2)
  })

  it('looks at the schema that is named', async () => {
    // As `defineSchema` makes it; written out, because loading the builders' sources takes long.
    const module = (consistency: string): string =>
      `export const schema = {
  tables: { accounts: { consistency: '${consistency}', scope: 'tenant', columns: {} } },
  views: {},
}`
    const text = (name: string): string =>
      `regions: [us-east, eu-west]\nresidency: { classes: { default: [eu-west] } }\nschema: ./${name}`
    writeFileSync(join(folder, 'strong.ts'), module('strong'))
    const strong = await run('check', '--config', file(text('strong.ts')))
    expect(strong.code).toBe(1)
    expect(strong.stdout).toContain('every row of accounts is')
    expect(strong.stdout).toContain('[strong-tables-for-nobody]')
    writeFileSync(join(folder, 'pinned.ts'), module('pinned'))
    expect((await run('check', '--config', file(text('pinned.ts')))).code).toBe(0)
    const lacking = await run('check', '--config', file(text('none.ts')))
    expect(lacking.code).toBe(0)
    expect(lacking.stdout).toContain('[schema-unread]')
  })

  it('with --live says which engine gives no answer, and why', { timeout: 180_000 }, async () => {
    const text = `regions: [a]\n${ETCD}
changeLogs: { a: { brokers: ['127.0.0.1:1'] } }
caches: { a: { address: '127.0.0.1:1' } }
stores: { a: { url: 'ws://127.0.0.1:1' } }`
    const { code, stdout } = await run('check', '--live', '--json', '--config', file(text))
    const { engines } = JSON.parse(stdout) as { engines: readonly Probe[] }
    expect(code).toBe(1)
    expect(engines.map(({ engine }) => engine)).toEqual([
      'etcd',
      'store of a',
      'Kafka of a',
      'Redis of a',
    ])
    for (const { isReachable, says } of engines) {
      expect(isReachable).toBe(false)
      expect(says).toMatch(/ECONNREFUSED|cannot be reached/)
    }
  })

  it(
    'with --live takes nothing for Redis that does not speak its protocol',
    { timeout: 180_000 },
    async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const text = `regions: [a]\ncaches: { a: { address: '127.0.0.1:${port}' } }`
      const { code, stdout } = await run('check', '--live', '--config', file(text))
      server.close()
      expect(code).toBe(1)
      expect(stdout).toContain('no answer')
    },
  )
})

describe('meridian config show', () => {
  it('fills in defaults and keeps secrets as references', async () => {
    const text = `regions: [a]\n${ETCD.replace("'127.0.0.1:1'] }", "'127.0.0.1:1'] }, user: u, password: { env: HUSH }")}`
    const { code, stdout } = await run('show', '--config', file(text))
    expect(code).toBe(0)
    expect(parse(stdout)).toMatchObject({
      name: 'meridian',
      commitLog: {
        leader: 'a',
        etcd: { password: { env: 'HUSH' }, maxRetainedRecords: 1_000_000 },
      },
      limits: { drainTimeoutMs: 10_000 },
    })
    const json = await run('show', '--json', '--config', file(text))
    expect(JSON.parse(json.stdout)).toEqual(parse(stdout))
  })
})

describe('meridian config schema', () => {
  it('is a JSON Schema of the file', async () => {
    const { code, stdout } = await run('schema')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      type: 'object',
      required: ['regions'],
      additionalProperties: false,
    })
  })
})

describe('a wrong command line', () => {
  it.each([[[]], [['chek']]])('%j ends with 2 and says what there is', async (args) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(2)
    expect(stderr).toContain('There are: check, show, schema.')
  })

  it('a file that is not there ends with 2', async () => {
    const { code, stderr } = await run('check', '--config', join(folder, 'none.yaml'))
    expect(code).toBe(2)
    expect(stderr).toContain('There is no configuration file')
  })
})
