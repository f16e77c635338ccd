import { describe, expect, it } from 'vitest'
import { fetchFailure } from '../../../../src/client/http/fetch-failure.ts'

/** What Node's `fetch` rejects with. */
function failed(cause: unknown): TypeError {
  return new TypeError('fetch failed', { cause })
}

function withCode(code: string, more: object = {}): Error {
  return Object.assign(new Error(code), { code, ...more })
}

describe('a request that was provably never sent', () => {
  it.each<[string, unknown]>([
    ['refused', failed(withCode('ECONNREFUSED'))],
    [
      'refused by each of several addresses',
      failed(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })),
    ],
    ['of a name that there is not', failed(withCode('ENOTFOUND'))],
    ['whose name server is away', failed(withCode('EAI_AGAIN'))],
    ['whose certificate has expired', failed(withCode('CERT_HAS_EXPIRED'))],
    ['whose certificate is another’s', failed(withCode('ERR_TLS_CERT_ALTNAME_INVALID'))],
    ['never connected in time', failed(withCode('UND_ERR_CONNECT_TIMEOUT'))],
    ['without a way there', failed(withCode('EHOSTUNREACH', { syscall: 'connect' }))],
    ['refused, in Bun', withCode('ConnectionRefused')],
  ])('is safe to repeat: %s', (_what, error) => {
    expect(fetchFailure('a', error)).toMatchObject({
      code: 'REGION_UNREACHABLE',
      retry: 'safe',
      details: { region: 'a' },
      cause: error,
    })
  })
})

describe('a request that may have been sent', () => {
  it.each<[string, unknown]>([
    ['a connection that broke', failed(withCode('ECONNRESET', { syscall: 'read' }))],
    ['a socket that closed', failed(withCode('UND_ERR_SOCKET'))],
    ['a host that went away under way', failed(withCode('EHOSTUNREACH', { syscall: 'read' }))],
    ['what browsers say of everything', new TypeError('Failed to fetch')],
    ['no error at all', undefined],
  ])('has an unknown outcome: %s', (_what, error) => {
    expect(fetchFailure('a', error)).toMatchObject({
      code: 'REGION_UNREACHABLE',
      retry: 'unknown-outcome',
    })
  })

  it('is not searched for a cause without end', () => {
    const error = new Error('its own cause')
    error.cause = error
    expect(fetchFailure('a', error).retry).toBe('unknown-outcome')
  })
})
