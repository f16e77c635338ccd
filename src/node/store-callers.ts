/** Who may use a store server: whoever knows its token, or, without one, whoever is on this machine. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { MeridianError } from '../core/errors.ts'
import type { HttpRequest } from '../core/ports/http.ts'
import { FULL_PRINCIPAL, type Caller } from '../core/principal.ts'
import { isLoopbackHost } from '../config/addresses.ts'

/** Tells who calls. All throw MeridianError `UNAUTHENTICATED` or `PERMISSION_DENIED`. */
export interface StoreCallers {
  /** By the header `authorization`. */
  of(request: HttpRequest): Caller
  /** By the token of a WebSocket's hello. */
  ofToken(token: string | null): Caller
  /** What is looked at of a request before its token. */
  admit(request: HttpRequest): void
}

const CALLER: Caller = { kind: 'client', subject: 'store', principal: FULL_PRINCIPAL }

/** Callers of a server with a token. */
export function tokenCallers(token: string): StoreCallers {
  const expected = digest(token)
  const check = (given: string | null): Caller => {
    // Of equal length, and compared to the end: the time says nothing of how much was right.
    if (given !== null && timingSafeEqual(digest(given), expected)) return CALLER
    const problem = given === null ? 'The request has no token.' : 'The token is another one.'
    throw new MeridianError('UNAUTHENTICATED', problem, {
      fix: "Pass the store server's token as `authToken`.",
    })
  }
  return {
    of: ({ headers }) =>
      check(/^bearer +(\S+) *$/i.exec(headers['authorization'] ?? '')?.[1] ?? null),
    ofToken: check,
    admit: () => undefined,
  }
}

/**
 * Callers of a server without a token, which listens on this machine alone. Pages that a browser
 * here shows come from elsewhere, and they may send requests and open WebSockets: they are told by
 * the `origin` that a browser adds, and by the name of another host (DNS rebinding).
 */
export function localCallers(): StoreCallers {
  return {
    of: () => CALLER,
    ofToken: () => CALLER,
    admit({ headers }) {
      const host = (headers['host'] ?? 'localhost').replace(/:\d+$/, '')
      if (headers['origin'] === undefined && isLoopbackHost(host)) return
      throw new MeridianError('PERMISSION_DENIED', 'The store server serves this machine alone.', {
        fix: 'Set a token to serve browsers and other machines.',
      })
    },
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
