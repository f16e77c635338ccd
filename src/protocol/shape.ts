/** Checks the shape of decoded bytes: what a peer sent is what its type says once it was looked at. */
import { MeridianError, type WireError } from '../core/errors.ts'

/** Checks of one kind of message; each throws what `malformed` gives. */
export interface ShapeChecks {
  /** `PROTOCOL_MALFORMED`, naming the kind. */
  malformed(this: void, cause?: unknown): MeridianError
  list(this: void, value: unknown): readonly unknown[]
  text(this: void, value: unknown): string
  /** A whole number that is not negative. */
  count(this: void, value: unknown): number
  blob(this: void, value: unknown): Uint8Array
  /** An error that a peer tells. */
  wireError(this: void, value: unknown): WireError
}

/** The checks of a kind; `what` the bytes should have been, in words. */
export function shapeChecks(what: string): ShapeChecks {
  const malformed = (cause?: unknown): MeridianError =>
    new MeridianError('PROTOCOL_MALFORMED', `The bytes are not ${what}.`, {
      ...(cause === undefined ? {} : { cause }),
    })
  return {
    malformed,
    list(value) {
      if (!Array.isArray(value)) throw malformed()
      return value
    },
    text(value) {
      if (typeof value !== 'string') throw malformed()
      return value
    },
    count(value) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw malformed()
      return value
    },
    blob(value) {
      if (!(value instanceof Uint8Array)) throw malformed()
      return value
    },
    wireError(value) {
      const error = value as Partial<WireError> | null
      if (typeof error?.code !== 'string' || typeof error.message !== 'string') throw malformed()
      return error as WireError
    },
  }
}
