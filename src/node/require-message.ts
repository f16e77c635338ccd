/** Whether a request over HTTP is a message of the protocol, before its body is read. */
import { MeridianError } from '../core/errors.ts'
import type { HttpRequest } from '../core/ports/http.ts'
import { MESSAGE_CONTENT_TYPE } from '../core/wire-http.ts'

/**
 * A page in a browser can send a form or plain text anywhere without asking, but not this type: so
 * no page reaches a process that serves this machine alone.
 *
 * @throws MeridianError `PROTOCOL_MALFORMED`
 */
export function requireMessage(request: HttpRequest): void {
  const fix = `POST a message as ${MESSAGE_CONTENT_TYPE}.`
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (request.method === 'POST' && type === MESSAGE_CONTENT_TYPE) return
  throw new MeridianError('PROTOCOL_MALFORMED', 'The request is not a message.', { fix })
}
