/** The HTTP face of a node: paths and headers that clients and nodes agree on. */

/** POST: one message of `src/protocol`, answered by one. */
export const REQUEST_PATH = '/v1/request'
/** WebSocket between nodes: `<prefix>/<region>/<service>`, to the region that serves. */
export const CHANNEL_PATH_PREFIX = '/v1/channels'
/** What bodies of messages are. */
export const MESSAGE_CONTENT_TYPE = 'application/vnd.msgpack'
/** Names the region that a message is for, where one node serves several. */
export const REGION_HEADER = 'meridian-region'
/**
 * On a request: a node of the region passes it to the one that holds the region, whose fence this
 * is; it is passed once. On an answer: another node gave it.
 */
export const PASSED_HEADER = 'meridian-passed'
/** libSQL clients: `<prefix>/<tenant>/` or `<prefix>/` (the global scope), then Hrana's own paths. */
export const SQL_PATH_PREFIX = '/v1/sql'
export const HEALTH_PATH = '/healthz'
export const READY_PATH = '/readyz'
export const METRICS_PATH = '/metrics'
export const STATUS_PATH = '/v1/status'
/** GET: how strong tables stand. POST, JSON, below it: what an operator does (`strong-actions.ts`). */
export const STRONG_PATH = '/v1/strong'
