/** One command to a Redis, by hand: launchers ask before any client can, and ask odd things. */
import { readFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { MeridianError } from '../../core/errors.ts'
import type { ServerTls } from './etcd.ts'

/** Where and as whom to ask. */
export interface RedisAsk {
  readonly port: number
  readonly password?: string | undefined
  readonly tls?: ServerTls | undefined
}

const TIMEOUT_MS = 5_000

/** The answer to a command, as text. @throws MeridianError `CACHE_UNAVAILABLE` */
export async function askRedis(at: RedisAsk, command: readonly string[]): Promise<string> {
  const { password } = at
  const socket = open(at)
  try {
    const commands = [...(password === undefined ? [] : [['AUTH', password]]), command]
    const answers = await exchange(socket, commands)
    const last = answers.at(-1) ?? ''
    const refused = answers.find((answer) => answer.startsWith('-'))
    if (refused !== undefined) throw new MeridianError('CACHE_UNAVAILABLE', `Redis: ${refused}`)
    return last
  } finally {
    socket.destroy()
  }
}

function open({ port, tls }: RedisAsk): Socket {
  if (tls === undefined) return connectPlain({ host: '127.0.0.1', port })
  return connectTls({
    host: '127.0.0.1',
    port,
    ca: readFileSync(tls.ca),
    cert: readFileSync(tls.certificate),
    key: readFileSync(tls.key),
    // It is this machine; what the name in the certificate is, is the test's matter.
    checkServerIdentity: () => undefined,
  })
}

/** Sends all commands, and resolves to an answer for each. */
function exchange(
  socket: Socket,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('Redis does not answer.')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('Redis has closed the connection.')))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      const answers = readAnswers(text)
      if (answers.length >= commands.length) resolve(answers)
    })
    for (const parts of commands) socket.write(encode(parts))
  })
}

function encode(parts: readonly string[]): string {
  const bulks = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
  return `*${parts.length}\r\n${bulks.join('')}`
}

/** The complete answers so far: lines and texts; errors keep their dash. */
function readAnswers(text: string): readonly string[] {
  const answers: string[] = []
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end < 0) return answers
    const line = text.slice(at, end)
    at = end + 2
    if (!line.startsWith('$')) {
      answers.push(line.startsWith('-') ? line : line.slice(1))
      continue
    }
    const length = Math.max(0, Number(line.slice(1)))
    if (text.length < at + length + 2) return answers
    answers.push(text.slice(at, at + length))
    at += length + 2
  }
}
