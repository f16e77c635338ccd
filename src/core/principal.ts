/** Who calls, and what that allows. Tokens are verified at the edge; what is here is what they say. */

/**
 * What a caller may do:
 * - `read`: rows, lists, queries, views, the tenant's entry and its wrapped data keys
 * - `write`: transactions, and data keys for tenants that have none
 * - `admin`: create tenants
 * - `metrics`: read the node's metrics and status
 */
export const SCOPES = ['read', 'write', 'admin', 'metrics'] as const
export type Scope = (typeof SCOPES)[number]

/** On whose behalf something is asked. */
export interface Principal {
  /** `null`: all tenants, and writes to global tables. */
  readonly tenants: readonly string[] | null
  readonly scopes: readonly Scope[]
  /** Where this principal may say that it stands; without it, anywhere. */
  readonly regions?: readonly string[]
}

/** Who is at the other end of a connection. */
export interface Caller {
  /**
   * - `client`: a service; its `principal` is what its token says, whatever its messages say.
   * - `node`: another node, of the one region in `principal.regions`; it may speak for others, by
   *   the principal in its messages.
   * - `process`: this process; trusted as a node is.
   */
  readonly kind: 'client' | 'node' | 'process'
  /** Who, for logs and limits: the token's subject, the node's region. Never a secret. */
  readonly subject: string
  readonly principal: Principal
}

/** May do everything. */
export const FULL_PRINCIPAL: Principal = { tenants: null, scopes: SCOPES }

/** The caller of messages that do not leave the process. */
export const PROCESS_CALLER: Caller = {
  kind: 'process',
  subject: 'process',
  principal: FULL_PRINCIPAL,
}
