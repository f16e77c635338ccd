/** Hrana 3 in protobuf. */
import { malformed } from '../errors.ts'
import type { HranaCodec } from '../model.ts'
import { decodeClientMessage, decodeCursor, decodePipeline } from './decode.ts'
import {
  encodeCursorEntries,
  encodeCursorHead,
  encodePipeline,
  encodeServerMessage,
} from './encode.ts'

export const protobufCodec: HranaCodec = {
  contentType: 'application/x-protobuf',
  cursorContentType: 'application/octet-stream',
  decodePipeline,
  decodeCursor,
  encodePipeline,
  encodeCursorHead,
  encodeCursorEntries,
  decodeClientMessage: (message) => {
    if (typeof message === 'string') throw malformed('it is text')
    return decodeClientMessage(message)
  },
  encodeServerMessage,
}
