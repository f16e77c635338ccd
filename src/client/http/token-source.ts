/**
 * The token that requests carry. A function is asked at the first request, and again when a node
 * no longer accepts what it gave: tokens are short-lived, and nobody has to watch their clocks.
 */
import { MeridianError } from '../../core/errors.ts'

/** A token, or where to get one. */
export type Token = string | (() => string | Promise<string>)

/** What may stand in a header (RFC 6750): the platform would print anything else in its error. */
const TOKEN_FORM = /^[\w.~+/-]+=*$/

export class TokenSource {
  readonly #token: Token | undefined
  #current: Promise<string> | undefined

  constructor(token: Token | undefined) {
    this.#token = token
  }

  /**
   * The token to send; `undefined` where none is configured.
   *
   * @throws MeridianError `UNAUTHENTICATED` when there is none to be had
   */
  current(): Promise<string> | undefined {
    if (this.#token === undefined) return undefined
    if (this.#current !== undefined) return this.#current
    const asked = ask(this.#token)
    this.#current = asked
    asked.catch(() => this.#forget(asked))
    return asked
  }

  /** After `refused` was not accepted: whether there may be another one now. */
  renew(refused: Promise<string> | undefined): boolean {
    if (typeof this.#token !== 'function' || refused === undefined) return false
    this.#forget(refused)
    return true
  }

  /** Calls that were refused together ask for one new token together. */
  #forget(token: Promise<string>): void {
    if (this.#current === token) this.#current = undefined
  }
}

async function ask(token: Token): Promise<string> {
  let given: unknown
  try {
    given = typeof token === 'function' ? await token() : token
  } catch (cause) {
    // Nothing was sent: the same call may be repeated once tokens are to be had.
    throw new MeridianError('UNAUTHENTICATED', 'The function `token` gave no token.', {
      retry: 'safe',
      fix: 'See the cause, and repeat.',
      cause,
    })
  }
  if (typeof given === 'string' && TOKEN_FORM.test(given)) return given
  throw new MeridianError('UNAUTHENTICATED', 'The option `token` gave what is no bearer token.', {
    fix: 'Give the token alone, without `Bearer` before it or white space around it.',
  })
}
