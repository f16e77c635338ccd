/** The parts of `meridian.yaml` that speak of processes: nodes, stores, callers, TLS, secrets. */
import { z } from 'zod'

/** Where a secret is. Never the secret itself. */
export type SecretRef = { readonly env: string } | { readonly file: string }

/** A node, as others reach it. */
export interface NodeConfig {
  readonly url: string
  /** Where it listens, `host:port`; by default the port of `url`. */
  readonly listen?: string | undefined
  /** Verifies what it says to other nodes: the raw Ed25519 public key, base64url. */
  readonly publicKey?: string | undefined
}

/** A region's store on a libSQL server. */
export interface StoreConfig {
  readonly url: string
  readonly token?: SecretRef | undefined
  /** Nobody else can listen on the network between: the token may cross it in the clear. */
  readonly trustedNetwork?: boolean | undefined
}

/** Whose tokens are believed. */
export interface IssuerConfig {
  /** The `iss` of its tokens. */
  readonly issuer: string
  /** The `aud` that its tokens must have. */
  readonly audience: string
  /** Raw Ed25519 public key, base64url. */
  readonly publicKey?: string | undefined
  /** A JSON Web Key Set; read again when it changes. */
  readonly jwksFile?: string | undefined
}

/** Who may call. */
export interface AuthConfig {
  readonly issuers: readonly IssuerConfig[]
  /** The node's own private key, with which it calls other nodes. */
  readonly nodeKey?: SecretRef | undefined
}

/** TLS of the node's port; `ca` verifies other nodes where they have no public certificate. */
export interface TlsConfig {
  readonly certificate: string
  readonly key: SecretRef
  readonly ca?: string | undefined
}

const ENV_RULE = 'is not a name of an environment variable'

const SECRET_RULE =
  'Secrets are references: `{ env: NAME }` or `{ file: PATH }`, never the secret itself.'

/** A reference to a secret, and what it is for. */
export function secretSchema(purpose: string): z.ZodType<SecretRef> {
  return z
    .union([
      z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, ENV_RULE) }),
      z.strictObject({ file: z.string().min(1) }),
    ])
    .describe(`${purpose} ${SECRET_RULE}`)
}

/** Says that a network needs no TLS. */
export const trustedNetworkSchema: z.ZodOptional<z.ZodBoolean> = z
  .boolean()
  .optional()
  .describe(
    'Nobody else reaches or hears the network between: passwords may cross it in the clear, ' +
      'and there may be none. Without it that is refused beyond the loopback interface.',
  )

const publicKey = (): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/, 'is not an Ed25519 public key in base64url')
    .optional()

/** The protocols of URLs. */
function url(...protocols: readonly string[]): z.ZodString {
  const allowed = protocols.map((protocol) => `${protocol}://`).join(', ')
  return z.string().refine((text) => {
    const parsed = URL.canParse(text) ? new URL(text) : undefined
    return (
      parsed !== undefined &&
      protocols.includes(parsed.protocol.slice(0, -1)) &&
      parsed.username === '' &&
      parsed.password === ''
    )
  }, `is not a URL with ${allowed} and without user and password`)
}

const nodeSchema: z.ZodType<NodeConfig> = z
  .strictObject({
    url: url('http', 'https').describe('How clients and other nodes reach the node.'),
    listen: z
      .string()
      .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'is not `host:port`')
      .optional()
      .describe('Where the node listens, `host:port`. By default the port of its URL.'),
    publicKey: publicKey().describe(
      'The node proves by the private key of this one that it is a node: `meridian keygen`.',
    ),
  })
  .describe('A node: its URL, where it listens, its public key.')

const storeSchema: z.ZodType<StoreConfig> = z
  .strictObject({
    url: url('http', 'https', 'ws', 'wss', 'libsql').describe(
      'Where the server is; within a region take `ws` or `wss`.',
    ),
    token: secretSchema('The token that the server asks for.').optional(),
    trustedNetwork: trustedNetworkSchema,
  })
  .describe('A libSQL server that holds the rows of the region, instead of a file.')

const issuerSchema: z.ZodType<IssuerConfig> = z
  .strictObject({
    issuer: z.string().min(1).describe('The `iss` of its tokens.'),
    audience: z.string().min(1).default('meridian').describe('The `aud` of its tokens.'),
    publicKey: publicKey().describe('What verifies its tokens: raw Ed25519, base64url.'),
    jwksFile: z
      .string()
      .min(1)
      .optional()
      .describe('A JSON Web Key Set instead; read again when the file changes.'),
  })
  .refine(
    (issuer) => (issuer.publicKey === undefined) !== (issuer.jwksFile === undefined),
    'has not exactly one of `publicKey` and `jwksFile`',
  )
  .describe('Who signs tokens of clients (Ed25519, JWT): one of `publicKey` and `jwksFile`.')

const authSchema: z.ZodType<AuthConfig> = z
  .strictObject({
    issuers: z.array(issuerSchema).min(1),
    nodeKey: secretSchema(
      'The private key of this node, with which it calls others; needed for several processes.',
    ).optional(),
  })
  .describe('Who may call. Without it a node serves the loopback interface only.')

const tlsSchema: z.ZodType<TlsConfig> = z
  .strictObject({
    certificate: z.string().min(1).describe('PEM file of the certificate chain.'),
    key: secretSchema('Its private key, PEM.'),
    ca: z.string().min(1).optional().describe('PEM file of the authority of other nodes.'),
  })
  .describe('TLS of the nodes. Without it HTTP is plain.')

/** What the sections are parsed to. */
interface ProcessSectionSchemas {
  readonly schema: z.ZodOptional<z.ZodString>
  readonly nodes: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodType<NodeConfig | NodeConfig[]>>>
  readonly stores: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodType<StoreConfig>>>
  readonly auth: z.ZodOptional<z.ZodType<AuthConfig>>
  readonly tls: z.ZodOptional<z.ZodType<TlsConfig>>
}

/** The sections by name. */
export const processSections: ProcessSectionSchemas = {
  schema: z
    .string()
    .min(1)
    .optional()
    .describe('The module that exports the schema, for `meridian node` and `meridian dev`.'),
  nodes: z
    .record(z.string(), z.union([nodeSchema, z.array(nodeSchema).min(1)]))
    .optional()
    .describe(
      'The nodes by region: one, or a list. Regions of the same URL are served by one process.',
    ),
  stores: z
    .record(z.string(), storeSchema)
    .optional()
    .describe('libSQL servers by region; a region without one keeps its rows in a file.'),
  auth: authSchema.optional(),
  tls: tlsSchema.optional(),
}
