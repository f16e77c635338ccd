/** The one way in which a token is refused: with what is wrong with it, never with any of it. */
import { MeridianError } from '../../core/errors.ts'

/** `problem` completes the sentence "The token …". */
export function unauthenticated(problem: string, fix: string): MeridianError {
  return new MeridianError('UNAUTHENTICATED', `The token ${problem}.`, { fix })
}
