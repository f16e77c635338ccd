/** `meridian token`: signs a token of a client, for development and tests. */
import { readFile } from 'node:fs/promises'
import { MeridianError } from '../../core/errors.ts'
import { signClientToken } from '../../drivers/auth/client-tokens.ts'
import { EXIT, type Command } from '../command.ts'
import { readTokenOptions, TOKEN_OPTIONS, type TokenOptions } from './options.ts'

const DESCRIPTION = `Signs a token (JWT, Ed25519) with which a client may call nodes. For development and tests: in
production the service that knows its users signs them, with any JWT library.

The claims are: iss, aud, sub, exp; tenants, a list or "*"; scopes, a list; regions, a list, if any.`

/** The command. */
export const tokenCommand: Command = {
  description: DESCRIPTION,
  options: TOKEN_OPTIONS,
  async run(given, terminal) {
    const options = readTokenOptions(given)
    const { issuer, audience, subject, tenants, scopes, regions } = options
    const issuedAt = Math.floor(Date.now() / 1_000)
    const claims = {
      issuer,
      audience,
      subject,
      tenants,
      scopes,
      ...(regions === undefined ? {} : { regions }),
      issuedAt,
      expiresAt: issuedAt + options.lifeSeconds,
    }
    const token = await signClientToken(await readKey(options.key), claims)
    terminal.line(options.json ? JSON.stringify({ token, ...claims }, null, 2) : token)
    return EXIT.ok
  },
}

async function readKey(key: TokenOptions['key']): Promise<string> {
  if ('env' in key) {
    const value = process.env[key.env]
    if (value !== undefined && value !== '') return value
    throw unreadable(`The environment variable ${key.env} is not set`)
  }
  return readFile(key.file, 'utf8').catch((error: unknown) => {
    throw unreadable(`The file ${key.file} cannot be read`, error)
  })
}

function unreadable(problem: string, cause?: unknown): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', `${problem}.`, {
    fix: '`meridian keygen --out FILE` makes a key.',
    ...(cause === undefined ? {} : { cause }),
  })
}
