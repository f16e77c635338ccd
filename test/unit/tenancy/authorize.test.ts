import { describe, expect, it } from 'vitest'
import { FULL_PRINCIPAL, type Caller, type Principal } from '../../../src/core/principal.ts'
import type { Request, RequestBody } from '../../../src/protocol/messages.ts'
import {
  authorize,
  authorizeForwarding,
  effectivePrincipal,
} from '../../../src/tenancy/authorize.ts'

const acme: Principal = { tenants: ['acme'], scopes: ['read', 'write', 'admin'] }
const client: Caller = { kind: 'client', subject: 'web', principal: acme }
const node: Caller = {
  kind: 'node',
  subject: 'eu-west',
  principal: { ...FULL_PRINCIPAL, regions: ['eu-west'] },
}
const own: Caller = { kind: 'process', subject: 'process', principal: FULL_PRINCIPAL }

function request(body: RequestBody, header: Partial<Request['header']> = {}): Request {
  return {
    header: {
      version: 1,
      schemaVersion: 1,
      principal: null,
      clientRegion: 'us-east',
      timeoutMs: 1_000,
      session: { positions: {}, nowMs: 0 },
      trace: null,
      forwarded: false,
      ...header,
    },
    body,
  }
}

const keysOf = (tenant: string): RequestBody => ({ kind: 'keys', tenant, fresh: false })
const hello: RequestBody = { kind: 'hello' }

describe('the principal of a request', () => {
  const claimed = request(hello, { principal: FULL_PRINCIPAL }).header

  it('is a client’s own, whatever its header says', () => {
    expect(effectivePrincipal(client, claimed)).toBe(acme)
  })

  it('is what a node or the own process says, or else all that it may do itself', () => {
    const header = request(hello, { principal: acme }).header
    for (const caller of [node, own]) {
      expect(effectivePrincipal(caller, header)).toBe(acme)
      expect(effectivePrincipal(caller, request(hello).header)).toBe(caller.principal)
    }
  })
})

describe('a principal', () => {
  const codeOf = (principal: Principal, asked: Request): unknown => {
    try {
      authorize(principal, asked)
      return 'allowed'
    } catch (error) {
      return (error as { code: unknown }).code
    }
  }

  it('of a tenant has that tenant, and of the global scope what is read', () => {
    expect(codeOf(acme, request(keysOf('acme')))).toBe('allowed')
    expect(codeOf(acme, request(keysOf('')))).toBe('allowed')
    expect(codeOf(acme, request(keysOf('zeta')))).toBe('PERMISSION_DENIED')
    const createGlobal: RequestBody = { kind: 'createKeys', tenant: '', keys: [] }
    expect(codeOf(acme, request(createGlobal))).toBe('PERMISSION_DENIED')
    expect(codeOf(FULL_PRINCIPAL, request(createGlobal))).toBe('allowed')
  })

  it('does not have what a tenant’s id only begins or ends with, nor other cases of it', () => {
    for (const tenant of ['acm', 'acme ', 'Acme', 'acme\0', '*', 'constructor']) {
      expect(codeOf(acme, request(keysOf(tenant)))).toBe('PERMISSION_DENIED')
    }
  })

  it('of no tenant reads the global scope alone', () => {
    const none: Principal = { ...acme, tenants: [] }
    expect(codeOf(none, request(keysOf('acme')))).toBe('PERMISSION_DENIED')
    expect(codeOf(none, request(keysOf('')))).toBe('allowed')
  })

  it('with regions stands in one of them', () => {
    const here: Principal = { ...acme, regions: ['us-east'] }
    expect(codeOf(here, request(hello))).toBe('allowed')
    expect(codeOf(here, request(hello, { clientRegion: 'eu-west' }))).toBe('PERMISSION_DENIED')
    expect(codeOf({ ...acme, regions: [] }, request(hello))).toBe('PERMISSION_DENIED')
  })

  it('is told the verb and the scope that it lacks', () => {
    expect(() => authorize({ ...acme, scopes: ['write'] }, request(hello))).toThrow(
      expect.objectContaining({
        code: 'PERMISSION_DENIED',
        details: { verb: 'hello', scope: 'read' },
        message: expect.stringContaining("`hello` needs the scope 'read'"),
      }),
    )
  })
})

describe('a node', () => {
  const get: RequestBody = { kind: 'get', table: 1, tenant: 'acme', keys: [], level: 'strong' }
  const denied = expect.objectContaining({ code: 'PERMISSION_DENIED' })

  it('reads nothing that no tenant owns: views across tenants are among it', () => {
    for (const body of [
      { ...get, tenant: '' },
      { kind: 'query', tenant: '', sql: 'SELECT 1', args: [], level: 'stale' },
      { kind: 'view', view: 1, tenant: '', prefix: [], limit: 1, level: 'stale' },
    ] satisfies RequestBody[]) {
      expect(() => authorizeForwarding(node, request(body, { forwarded: true }))).toThrow(denied)
    }
  })

  it('forwards reads, and does nothing else', () => {
    expect(() => authorizeForwarding(node, request(get, { forwarded: true }))).not.toThrow()
    expect(() => authorizeForwarding(node, request(get))).toThrow(denied)
    for (const body of [hello, keysOf('acme')]) {
      expect(() => authorizeForwarding(node, request(body, { forwarded: true }))).toThrow(denied)
    }
  })

  it('is the only one who is bound so', () => {
    for (const caller of [client, own]) {
      expect(() => authorizeForwarding(caller, request(get))).not.toThrow()
      expect(() => authorizeForwarding(caller, request(get, { forwarded: true }))).not.toThrow()
    }
  })
})
