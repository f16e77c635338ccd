/** Reads the answers of a connection on which requests are pipelined: HTTP/1.1 with a length. */
import { MeridianError } from '../../src/core/errors.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i

export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0)

  /**
   * The bodies of the answers that are whole now, in order; what follows is kept.
   *
   * @throws MeridianError `PROTOCOL_MALFORMED` for an answer without a length
   */
  take(bytes: Buffer): Buffer[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const bodies: Buffer[] = []
    let at = 0
    for (;;) {
      const headEnd = all.indexOf(HEAD_END, at)
      if (headEnd === -1) break
      const bodyAt = headEnd + HEAD_END.length
      const end = bodyAt + lengthIn(all.toString('latin1', at, headEnd))
      if (end > all.length) break
      bodies.push(all.subarray(bodyAt, end))
      at = end
    }
    this.#rest = all.subarray(at)
    return bodies
  }
}

function lengthIn(head: string): number {
  const [, length] = LENGTH.exec(head) ?? []
  if (length !== undefined) return Number(length)
  throw new MeridianError('PROTOCOL_MALFORMED', 'An answer does not say how long it is.')
}
