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

/** A reference to a secret. */
export const secretSchema: z.ZodType<SecretRef> = z
  .union([
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, ENV_RULE) }),
    z.strictObject({ file: z.string().min(1) }),
  ])
  .describe('Secrets are references: `{ env: NAME }` or `{ file: PATH }`, never the secret itself.')

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
    url: url('http', 'https', 'ws', 'wss', 'libsql'),
    token: secretSchema.optional(),
  })
  .describe('A libSQL server that holds the rows of the region, instead of a file.')

const issuerSchema: z.ZodType<IssuerConfig> = z
  .strictObject({
    issuer: z.string().min(1).describe('The `iss` of its tokens.'),
    audience: z.string().min(1).default('meridian').describe('The `aud` of its tokens.'),
    publicKey: publicKey(),
    jwksFile: z.string().min(1).optional(),
  })
  .refine(
    (issuer) => (issuer.publicKey === undefined) !== (issuer.jwksFile === undefined),
    'has not exactly one of `publicKey` and `jwksFile`',
  )
  .describe('Who signs tokens of clients (Ed25519, JWT): one of `publicKey` and `jwksFile`.')

const authSchema: z.ZodType<AuthConfig> = z
  .strictObject({
    issuers: z.array(issuerSchema).min(1),
    nodeKey: secretSchema.optional(),
  })
  .describe('Who may call. Without it a node serves the loopback interface only.')

const tlsSchema: z.ZodType<TlsConfig> = z
  .strictObject({
    certificate: z.string().min(1).describe('PEM file of the certificate chain.'),
    key: secretSchema,
    ca: z.string().min(1).optional().describe('PEM file of the authority of other nodes.'),
  })
  .describe('TLS of the nodes. Without it HTTP is plain.')

/** What the sections are parsed to. */
interface ProcessSectionSchemas {
  readonly schema: z.ZodOptional<z.ZodString>
  readonly nodes: z.ZodOptional<z.ZodRecord<z.ZodString, z.ZodType<NodeConfig>>>
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
    .record(z.string(), nodeSchema)
    .optional()
    .describe('The nodes by region. Regions of the same URL are served by one process.'),
  stores: z
    .record(z.string(), storeSchema)
    .optional()
    .describe('libSQL servers by region; a region without one keeps its rows in a file.'),
  auth: authSchema.optional(),
  tls: tlsSchema.optional(),
}
