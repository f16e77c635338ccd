/** The options of `meridian token`, read and checked: a token that no node would take is not signed. */
import { MeridianError } from '../../core/errors.ts'
import { MAX_TENANT_ID_LENGTH } from '../../core/limits.ts'
import { SCOPES, type Scope } from '../../core/principal.ts'
import type { GivenOptions, OptionSpecs } from '../command.ts'

const DEFAULT_LIFE = '1h'
const DEFAULT_AUDIENCE = 'meridian'
const DEFAULT_SUBJECT = 'development'
const SECONDS_BY_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** The options. */
export interface TokenOptions {
  /** Where the private key is. */
  readonly key: { readonly file: string } | { readonly env: string }
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  /** `null`: all. */
  readonly tenants: readonly string[] | null
  readonly scopes: readonly Scope[]
  readonly regions: readonly string[] | undefined
  readonly lifeSeconds: number
  readonly json: boolean
}

/** What help says of them. */
export const TOKEN_OPTIONS: OptionSpecs = {
  key: { type: 'string', placeholder: 'FILE', summary: 'The private key of `meridian keygen`.' },
  'key-env': {
    type: 'string',
    placeholder: 'NAME',
    summary: 'The environment variable that holds it, instead of a file.',
  },
  issuer: {
    type: 'string',
    placeholder: 'NAME',
    summary: 'Its `iss`: as `auth.issuers[].issuer` of the configuration has it.',
  },
  audience: {
    type: 'string',
    placeholder: 'NAME',
    summary: `Its \`aud\`. Default ${DEFAULT_AUDIENCE}.`,
  },
  tenants: {
    type: 'string',
    placeholder: 'A,B',
    summary: "The tenants that it is for; '*': all, and writes to global tables.",
  },
  scopes: { type: 'string', placeholder: 'S,T', summary: `Some of: ${SCOPES.join(', ')}.` },
  regions: {
    type: 'string',
    placeholder: 'A,B',
    summary: 'Where its bearer may say that it stands. Default: anywhere.',
  },
  subject: {
    type: 'string',
    placeholder: 'NAME',
    summary: `Whose it is, for logs and limits. Default ${DEFAULT_SUBJECT}.`,
  },
  expires: {
    type: 'string',
    placeholder: 'TIME',
    summary: `How long it lives: 90s, 15m, 1h, 30d. Default ${DEFAULT_LIFE}.`,
  },
  json: { type: 'boolean', summary: 'Print the token and what it says as JSON.' },
}

/** @throws MeridianError `INVALID_ARGUMENT` naming the option */
export function readTokenOptions(given: GivenOptions): TokenOptions {
  const regions = text(given, 'regions')
  return {
    key: readKey(given),
    issuer: required(given, 'issuer'),
    audience: text(given, 'audience') ?? DEFAULT_AUDIENCE,
    subject: text(given, 'subject') ?? DEFAULT_SUBJECT,
    tenants: readTenants(required(given, 'tenants')),
    scopes: names('scopes', required(given, 'scopes')).map(requireScope),
    regions: regions === undefined ? undefined : names('regions', regions),
    lifeSeconds: readLife(text(given, 'expires') ?? DEFAULT_LIFE),
    json: given['json'] === true,
  }
}

function readKey(given: GivenOptions): TokenOptions['key'] {
  const file = text(given, 'key')
  const env = text(given, 'key-env')
  if (file !== undefined && env === undefined) return { file }
  if (env !== undefined && file === undefined) return { env }
  throw invalid('Exactly one of `--key` and `--key-env` is needed.', '`meridian keygen` makes one.')
}

function readTenants(value: string): readonly string[] | null {
  if (value === '*') return null
  const tenants = names('tenants', value)
  if (tenants.every((tenant) => tenant !== '*' && tenant.length <= MAX_TENANT_ID_LENGTH)) {
    return tenants
  }
  throw invalid('The option `--tenants` has an id that is none.', "Give ids, or '*' alone.")
}

function requireScope(name: string): Scope {
  const scope = SCOPES.find((one) => one === name)
  if (scope !== undefined) return scope
  throw invalid(`There is no scope \`${name}\`.`, `There are: ${SCOPES.join(', ')}.`)
}

function readLife(value: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(value) ?? []
  const seconds = Number(count) * (SECONDS_BY_UNIT[unit] ?? 0)
  if (seconds > 0) return seconds
  throw invalid(`The option \`--expires\` is no time: ${value}.`, 'Give 90s, 15m, 1h or 30d.')
}

function names(option: string, value: string): readonly string[] {
  const list = value.split(',').map((name) => name.trim())
  if (!list.includes('')) return list
  throw invalid(`The option \`--${option}\` has an empty name.`, 'Separate names by commas.')
}

function text(given: GivenOptions, option: string): string | undefined {
  const value = given[option]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function required(given: GivenOptions, option: string): string {
  const value = text(given, option)
  if (value !== undefined) return value
  throw invalid(`The option \`--${option}\` is missing.`, 'See `meridian token --help`.')
}

function invalid(problem: string, fix: string): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', problem, { fix })
}
