import { expect, test } from 'vitest'
import { AnswerReader } from '../../../../benchmarks/throughput/answer-reader.ts'

const answer = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test('answers are read in order, wherever the bytes are cut', () => {
  const bodies = ['first', '', 'a\r\n\r\nb', 'last']
  const bytes = Buffer.from(bodies.map(answer).join(''))
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new AnswerReader()
    const read: string[] = []
    for (let at = 0; at < bytes.length; at += size) {
      const taken = reader.take(bytes.subarray(at, at + size))
      read.push(...taken.map(String))
    }
    expect(read, `pieces of ${size}`).toEqual(bodies)
  }
})

test('an answer that is not whole is kept back', () => {
  const bytes = Buffer.from(answer('whole') + answer('part'))
  const reader = new AnswerReader()
  expect(reader.take(bytes.subarray(0, -1)).map(String)).toEqual(['whole'])
  expect(reader.take(bytes.subarray(-1)).map(String)).toEqual(['part'])
})

test('an answer without a length is refused', () => {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
  expect(() => new AnswerReader().take(bytes)).toThrowError(
    expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
  )
})
