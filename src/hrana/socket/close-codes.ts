/** Why the server closes a WebSocket (RFC 6455, section 7.4.1). */

export const GOING_AWAY = 1001
/** Messages in an order that the protocol does not allow. */
export const PROTOCOL_ERROR = 1002
/** Text where binary was agreed, or the reverse. */
export const UNSUPPORTED_DATA = 1003
/** Bytes that are no message. */
export const INVALID_DATA = 1007
/** Not or no longer authenticated. */
export const POLICY_VIOLATION = 1008
export const INTERNAL_ERROR = 1011
