/** What a client's token says, checked: a claim that is not understood refuses the token. */
import type { JWTPayload } from 'jose'
import { MAX_TENANT_ID_LENGTH } from '../../core/limits.ts'
import { SCOPES, type Caller, type Scope } from '../../core/principal.ts'
import { unauthenticated } from './unauthenticated.ts'

/** A token names this many tenants at most; a service for more takes `"*"`. */
const MAX_TOKEN_TENANTS = 500
const MAX_TOKEN_REGIONS = 64
const MAX_SUBJECT_LENGTH = 256

/** Who calls by a token whose signature holds. @throws MeridianError `UNAUTHENTICATED` */
export function clientCaller(claims: JWTPayload): Caller {
  const regions = readRegions(claims['regions'])
  return {
    // Whatever a client's token claims, it is a client's.
    kind: 'client',
    subject: readSubject(claims.sub),
    principal: {
      tenants: readTenants(claims['tenants']),
      scopes: readScopes(claims['scopes']),
      ...(regions === undefined ? {} : { regions }),
    },
  }
}

function readSubject(value: unknown): string {
  if (isText(value, MAX_SUBJECT_LENGTH)) return value
  throw unauthenticated(
    'does not say whose it is',
    `Give the claim \`sub\` a text of at most ${MAX_SUBJECT_LENGTH} characters.`,
  )
}

function readTenants(value: unknown): readonly string[] | null {
  if (value === '*') return null
  if (!isTexts(value, MAX_TENANT_ID_LENGTH)) {
    throw unauthenticated(
      'does not say for which tenants it is',
      'Give the claim `tenants` a list of tenant ids, or "*" for all.',
    )
  }
  if (value.length <= MAX_TOKEN_TENANTS) return value
  throw unauthenticated(
    `names ${value.length} tenants; ${MAX_TOKEN_TENANTS} are allowed`,
    'Sign a token for each of the tenants when it is needed, or one for all of them ("*").',
  )
}

function readScopes(value: unknown): readonly Scope[] {
  // A scope that is not understood may be one that was meant to restrict.
  if (Array.isArray(value) && value.every(isScope)) return value
  throw unauthenticated(
    'does not say what it allows',
    `Give the claim \`scopes\` a list of: ${SCOPES.join(', ')}.`,
  )
}

function readRegions(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (isTexts(value, MAX_SUBJECT_LENGTH) && value.length <= MAX_TOKEN_REGIONS) return value
  throw unauthenticated(
    'has a claim `regions` that is no list of regions',
    'Give it a list of names of regions, or leave it out.',
  )
}

function isScope(value: unknown): value is Scope {
  return (SCOPES as readonly unknown[]).includes(value)
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength
}

function isTexts(value: unknown, maxLength: number): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => isText(text, maxLength))
}
