/** Errors in a form that crosses threads and processes. */
import { fromWireError, toWireError, type WireError } from '../../core/errors.ts'
import { StatementFailed, type StoreFailureKind } from '../../core/ports/store.ts'
import { storeError } from './engine-errors.ts'

/** A statement's own failure, or any other error. */
export type ThreadError =
  | { readonly index: number; readonly kind: StoreFailureKind; readonly message: string }
  | { readonly wire: WireError }

/** What a thread that works on the store at `path` sends of an error. */
export function toThreadError(error: unknown, path: string): ThreadError {
  if (error instanceof StatementFailed) {
    return { index: error.statementIndex, kind: error.kind, message: error.message }
  }
  return { wire: toWireError(storeError(error, path) ?? error) }
}

/** The error again. */
export function fromThreadError(error: ThreadError): Error {
  if ('wire' in error) return fromWireError(error.wire)
  return new StatementFailed(error.index, error.kind, error.message)
}
