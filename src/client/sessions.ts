/** Sessions as users see them. */
import { MeridianError } from '../core/errors.ts'
import { Session } from '../session/session.ts'
import { openSession, sealSession } from '../session/token.ts'

/** Read-your-writes and monotonic reads over every call that is made under it. */
export interface ClientSession {
  /**
   * A compact token to hand to the next function or service.
   *
   * @throws MeridianError `KEYS_NOT_CONFIGURED` when the client has no session key
   */
  export(): Promise<string>
}

interface InternalSession extends ClientSession {
  readonly [STATE]: Session
}

const STATE = Symbol('session')

/** Makes a session. */
export function createSession(session: Session, key: Uint8Array | undefined): ClientSession {
  const made: InternalSession = {
    [STATE]: session,
    export: () => sealSession(session.state(), requireKey(key)),
  }
  return made
}

/** Opens a token. @throws MeridianError `SESSION_INVALID`, `KEYS_NOT_CONFIGURED` */
export async function importSession(
  token: string,
  key: Uint8Array | undefined,
): Promise<ClientSession> {
  const secret = requireKey(key)
  return createSession(new Session(await openSession(token, secret)), secret)
}

/** The state behind a session. @throws MeridianError `INVALID_ARGUMENT` for a foreign object */
export function sessionState(session: ClientSession): Session {
  const state = (session as Partial<InternalSession>)[STATE]
  if (state !== undefined) return state
  throw new MeridianError('INVALID_ARGUMENT', 'The option `session` is not a session.', {
    fix: 'Take one from `db.session()` or `db.importSession(token)`.',
  })
}

function requireKey(key: Uint8Array | undefined): Uint8Array {
  if (key !== undefined) return key
  throw new MeridianError('KEYS_NOT_CONFIGURED', 'Session tokens need a session key.', {
    fix: 'Pass `sessionKey` (32 bytes, the same everywhere) to `connect`.',
  })
}
