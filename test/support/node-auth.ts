/** Keys of an issuer and of each node, for clusters whose callers are told apart. */
import { generateKeyPair } from '../../src/drivers/auth/signing-keys.ts'
import { signClientToken } from '../../src/drivers/auth/client-tokens.ts'
import type { Scope } from '../../src/core/principal.ts'
import { REGIONS, type ClusterOptions, type Region } from './node-cluster.ts'

/** Who is who in a cluster. */
export interface ClusterKeys {
  /** The parts of a cluster's layout that tell callers apart. */
  readonly layout: Pick<ClusterOptions, 'sections' | 'node' | 'environment'>
  /** Everything that nobody may ever read in a log. */
  readonly secrets: readonly string[]
  /** A token for these tenants; `null`: all. */
  token(
    tenants: readonly string[] | null,
    scopes?: readonly Scope[],
    subject?: string,
  ): Promise<string>
}

const ISSUER = 'https://issuer.example'
const LIFE_SECONDS = 3600

/** Makes the keys. Every process has its own, in a variable of its own environment. */
export function clusterKeys(sameProcess: readonly Region[] = []): ClusterKeys {
  const issuer = generateKeyPair()
  const shared = generateKeyPair()
  const pairs = new Map(
    REGIONS.map((region) => [region, sameProcess.includes(region) ? shared : generateKeyPair()]),
  )
  const pairOf = (region: Region): ReturnType<typeof generateKeyPair> => {
    const pair = pairs.get(region)
    if (pair === undefined) throw new Error(`no keys of ${region}`)
    return pair
  }
  return {
    layout: {
      sections: {
        auth: {
          issuers: [{ issuer: ISSUER, audience: 'meridian', publicKey: issuer.publicKey }],
          nodeKey: { env: 'NODE_KEY' },
        },
      },
      node: (region) => ({ publicKey: pairOf(region).publicKey }),
      environment: (region) => ({ NODE_KEY: pairOf(region).privateKeyJwk }),
    },
    secrets: [...pairs.values()].flatMap(({ privateKeyJwk }) => privateKeyJwk),
    token: (tenants, scopes = ['read', 'write'], subject = 'service') => {
      const issuedAt = Math.floor(Date.now() / 1000)
      const expiresAt = issuedAt + LIFE_SECONDS
      const claims = { issuer: ISSUER, audience: 'meridian', subject, tenants, scopes }
      return signClientToken(issuer.privateKeyPem, { ...claims, issuedAt, expiresAt })
    },
  }
}
