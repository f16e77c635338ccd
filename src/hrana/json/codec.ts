/** Hrana in JSON: version 2, and 3 where clients choose it. */
import { malformed } from '../errors.ts'
import type { HranaCodec } from '../model.ts'
import { decodeClientMessage, decodeCursor, decodePipeline } from './decode.ts'
import {
  encodeCursorEntries,
  encodeCursorHead,
  encodePipeline,
  encodeServerMessage,
} from './encode.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

function toText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('it is not UTF-8')
  }
}

export const jsonCodec: HranaCodec = {
  contentType: 'application/json',
  cursorContentType: 'text/plain',
  decodePipeline: (body) => decodePipeline(toText(body)),
  decodeCursor: (body) => decodeCursor(toText(body)),
  encodePipeline,
  encodeCursorHead,
  encodeCursorEntries,
  decodeClientMessage: (message) =>
    decodeClientMessage(typeof message === 'string' ? message : toText(message)),
  encodeServerMessage,
}
