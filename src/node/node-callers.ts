/** Who calls a node: by tokens, or anyone on this machine where no tokens are configured. */
import { MeridianError } from '../core/errors.ts'
import type { HttpRequest } from '../core/ports/http.ts'
import { FULL_PRINCIPAL, type Caller } from '../core/principal.ts'
import type { TokenVerifier } from '../drivers/auth/token-verifier.ts'
import { isLoopbackHost } from '../config/addresses.ts'

/** Tells callers apart, where they are told apart. */
export interface NodeCallers {
  /** Whether callers prove who they are. */
  readonly areToldApart: boolean
  /** @throws MeridianError `UNAUTHENTICATED` */
  of(request: HttpRequest): Promise<Caller>
  /** The caller by a bare token. @throws MeridianError `UNAUTHENTICATED` */
  ofToken(jwt: string | null): Promise<Caller>
  /** @throws MeridianError `PERMISSION_DENIED` for a request that a foreign name led here */
  admitHost(request: HttpRequest): void
  /** @throws MeridianError `PERMISSION_DENIED` for what a page in a browser sends */
  admitOrigin(request: HttpRequest): void
}

/** Anyone on this machine. */
const ANYONE: Caller = { kind: 'client', subject: 'anyone', principal: FULL_PRINCIPAL }

/** Callers of a node whose configuration has `auth`. */
export function authenticatedCallers(verifier: TokenVerifier): NodeCallers {
  return {
    areToldApart: true,
    of: (request) => verifier.verify(request.headers['authorization']),
    ofToken: (jwt) => verifier.verify(jwt === null ? undefined : `Bearer ${jwt}`),
    admitHost: () => undefined,
    admitOrigin: () => undefined,
  }
}

/**
 * Callers of a node that serves this machine alone. Pages that a browser here shows come from
 * elsewhere: neither a name that resolves to this machine (DNS rebinding) nor a WebSocket or a plain
 * POST, which the same-origin policy lets out, lets them in.
 */
export function loopbackCallers(): NodeCallers {
  const refuse = (problem: string): never => {
    throw new MeridianError(
      'PERMISSION_DENIED',
      `${problem}; the node serves this machine alone.`,
      {
        fix: 'Configure `auth` to serve others.',
      },
    )
  }
  return {
    areToldApart: false,
    of: async () => ANYONE,
    ofToken: async () => ANYONE,
    admitHost(request) {
      const host = request.headers['host'] ?? 'localhost'
      if (!isLoopbackHost(host.replace(/:\d+$/, ''))) refuse('The request is for another host')
    },
    admitOrigin(request) {
      if (request.headers['origin'] !== undefined) refuse('The request is of a page in a browser')
    },
  }
}
