/** Asks a node how it stands, and how its strong tables do. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { MeridianError, type WireError } from '../../core/errors.ts'
import { STATUS_PATH, STRONG_PATH } from '../../core/wire-http.ts'
import type { NodeReport } from '../../node/node-status.ts'
import type { StrongReport } from '../../node/strong-report.ts'

/** How a node is asked. */
export interface FetchOptions {
  readonly token?: string | undefined
  /** PEM of the authority of the node's certificate, where it is no public one. */
  readonly ca?: string | undefined
}

const TIMEOUT_MS = 10_000
const MAX_BYTES = 4 * 1024 * 1024

/**
 * @throws MeridianError `REGION_UNREACHABLE`, `UNAUTHENTICATED`, `PERMISSION_DENIED`,
 * `PROTOCOL_MALFORMED` where something else than a node answers
 */
export function fetchReport(url: string, options: FetchOptions): Promise<NodeReport> {
  return fetchJson<NodeReport>(url, STATUS_PATH, options)
}

/** The node asks etcd and the log meanwhile. @throws MeridianError as `fetchReport` */
export function fetchStrongReport(url: string, options: FetchOptions): Promise<StrongReport> {
  return fetchJson<StrongReport>(url, STRONG_PATH, options)
}

/** Has a node do something. @throws MeridianError as `fetchReport`, and what the node says */
export function postJson<T extends object>(
  url: string,
  path: string,
  body: object,
  options: FetchOptions,
): Promise<T> {
  return fetchJson<T>(url, path, { ...options, body: JSON.stringify(body) })
}

async function fetchJson<T extends object>(
  url: string,
  path: string,
  options: FetchOptions & { readonly body?: string },
): Promise<T> {
  const { status, text } = await ask(`${url.replace(/\/+$/, '')}${path}`, options)
  const answer = parse(text) as T | { readonly error: WireError } | undefined
  const isReport = answer !== undefined && ('regions' in answer || 'region' in answer)
  if (status === 200 && isReport) return answer as T
  const error = answer !== undefined && 'error' in answer ? answer.error : undefined
  if (error !== undefined) throw new MeridianError(error.code, error.message, error)
  throw new MeridianError('PROTOCOL_MALFORMED', `What answers at ${url} is no node (${status}).`, {
    fix: 'Check the URL, and any proxy on the way.',
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function ask(
  url: string,
  { token, ca, body }: FetchOptions & { readonly body?: string },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        new MeridianError('REGION_UNREACHABLE', `The node at ${url} gives no answer.`, {
          fix: 'Check that it runs.',
          cause,
        }),
      )
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const method = body === undefined ? 'GET' : 'POST'
    const isTls = url.startsWith('https:')
    const request = (isTls ? httpsRequest : httpRequest)(
      url,
      { method, headers, timeout: TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
          if (text.length > MAX_BYTES) response.destroy(new Error('The answer is too long.'))
        })
        response.on('error', fail)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      },
    )
    request.on('timeout', () => request.destroy(new Error('It took too long.')))
    request.on('error', fail)
    request.end(body)
  })
}
