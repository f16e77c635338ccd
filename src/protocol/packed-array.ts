/** MessagePack arrays that begin with the version of their form: changes, and messages of channels. */
import { Packr } from 'msgpackr'
import { MeridianError } from '../core/errors.ts'
import { requireBounded } from './bounded-bytes.ts'
import { shapeChecks, type ShapeChecks } from './shape.ts'

/** One kind of arrays. */
export interface PackedArrays extends ShapeChecks {
  /** The bytes of an array; `fields` follow the version. */
  pack(this: void, fields: readonly unknown[]): Uint8Array
  /** The array, version included. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
  unpack(this: void, bytes: Uint8Array): readonly unknown[]
}

/** How the kind is called in errors. */
export interface PackedArraysOptions {
  /** What one array is: “a snapshot message”. */
  readonly one: string
  /** What has versions: “snapshots”. */
  readonly many: string
  /** The version that is written, and the only one that is read. */
  readonly version: number
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** The codec of a kind of arrays. */
export function packedArrays({ one, many, version }: PackedArraysOptions): PackedArrays {
  const checks = shapeChecks(one)
  return {
    ...checks,
    pack: (fields) => packr.pack([version, ...fields]),
    unpack(bytes) {
      requireBounded(bytes)
      let raw: unknown
      try {
        raw = packr.unpack(bytes)
      } catch (error) {
        throw checks.malformed(error)
      }
      const fields = checks.list(raw)
      const found = fields[0]
      if (found === version) return fields
      if (typeof found !== 'number') throw checks.malformed()
      throw new MeridianError(
        'PROTOCOL_VERSION',
        `Version ${found} of ${many} is not spoken here (${version} is).`,
        { fix: 'Bring the regions to versions that are at most one apart.' },
      )
    },
  }
}
