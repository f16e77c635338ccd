/** How a node names itself and its peers in tokens. */

/** The issuer of tokens of nodes; no issuer of client tokens may be called so. */
export const NODE_ISSUER = 'meridian:node'

/** A token of a node lives this long at most. */
export const NODE_TOKEN_LIFE_MS = 60_000

/** The audience of a token for the node of a region. */
export function nodeAudience(region: string): string {
  return `${NODE_ISSUER}:${region}`
}
