/** Who the processes and the clients of a deployment on one machine are: keys that it makes itself. */
import { generateKeyPair, type KeyPairText } from '../drivers/auth/signing-keys.ts'
import { signClientToken } from '../drivers/auth/client-tokens.ts'

/** What tokens of clients say. */
const AUDIENCE = 'meridian'

/** Keys of a deployment. */
export interface Identities {
  /** The `iss` of its clients' tokens. */
  readonly issuerName: string
  readonly issuer: KeyPairText
  /** The key of each node, by whatever names it. */
  readonly nodeKeys: ReadonlyMap<string, KeyPairText>
}

/** Makes keys. */
export function makeIdentities(issuerName: string, nodes: readonly string[]): Identities {
  const nodeKeys = new Map(nodes.map((node) => [node, generateKeyPair()]))
  return { issuerName, issuer: generateKeyPair(), nodeKeys }
}

/** The section `auth`: the node's own key comes in `MERIDIAN_NODE_KEY`. */
export function authSection(identities: Identities): Readonly<Record<string, unknown>> {
  const { issuerName, issuer } = identities
  return {
    issuers: [{ issuer: issuerName, audience: AUDIENCE, publicKey: issuer.publicKey }],
    nodeKey: { env: 'MERIDIAN_NODE_KEY' },
  }
}

/** A token of a client who may do everything, for a while. */
export function clientToken(identities: Identities, lifeSeconds: number): Promise<string> {
  const issuedAt = Math.floor(Date.now() / 1000)
  return signClientToken(identities.issuer.privateKeyPem, {
    issuer: identities.issuerName,
    audience: AUDIENCE,
    subject: identities.issuerName,
    tenants: null,
    scopes: ['read', 'write', 'admin', 'metrics'],
    issuedAt,
    expiresAt: issuedAt + lifeSeconds,
  })
}
