/** What ends a transaction without effect: a code and ids, the same in every region. */
import type { ErrorCode } from '../../src/core/errors.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'

/** Ends a transaction without effect. `unstored`: as in `Failure`. */
export class Refused extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly unstored: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    details: Readonly<Record<string, unknown>>,
    unstored?: Readonly<Record<string, unknown>>,
  ) {
    super(code)
    this.code = code
    this.details = details
    this.unstored = unstored
  }
}

/** A refusal that names a table and columns, by their places in the image. */
export function refusedAt(
  code: ErrorCode,
  table: CompiledTable,
  ...places: readonly number[]
): Refused {
  const columns = places.map((place) => table.physical[place]?.columnId ?? place)
  return new Refused(code, { table: table.id, ...(columns.length === 0 ? {} : { columns }) })
}
