/** Turns etcd's authentication on, over its JSON gateway: every member has one, no client needed. */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { MeridianError } from '../../core/errors.ts'
import type { ServerTls } from './etcd.ts'

/** The user who may do everything. */
export interface EtcdRoot {
  /** etcd insists on `root` for the first. */
  readonly user: 'root'
  readonly password: string
}

const TIMEOUT_MS = 60_000

/** @throws MeridianError `LOG_UNAVAILABLE` */
export async function enableAuth(
  url: string,
  { user, password }: EtcdRoot,
  tls: ServerTls | undefined,
): Promise<void> {
  await post(`${url}/v3/auth/user/add`, { name: user, password }, tls)
  await post(`${url}/v3/auth/role/add`, { name: user }, tls)
  await post(`${url}/v3/auth/user/grant`, { user, role: user }, tls)
  await post(`${url}/v3/auth/enable`, {}, tls)
}

function post(url: string, body: unknown, tls: ServerTls | undefined): Promise<void> {
  const files =
    tls === undefined
      ? {}
      : {
          ca: readFileSync(tls.ca),
          cert: readFileSync(tls.certificate),
          key: readFileSync(tls.key),
        }
  const send = tls === undefined ? httpRequest : httpsRequest
  return new Promise((resolve, reject) => {
    const request = send(url, { method: 'POST', timeout: TIMEOUT_MS, ...files }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.once('error', reject)
      response.once('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new MeridianError('LOG_UNAVAILABLE', `etcd refused ${url}: ${text}`))
      })
    })
    request.once('timeout', () => request.destroy(new Error(`${url} does not answer.`)))
    request.once('error', reject)
    request.end(JSON.stringify(body))
  })
}
