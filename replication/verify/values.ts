/** Values of histories as texts that are equal exactly where the values are. */

/** The value as canonical JSON: names of objects sorted, so that equal values have equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_name, part: unknown) => sorted(part))
}

function sorted(part: unknown): unknown {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
  return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A value that came with the place its store gave it. */
export interface Versioned {
  readonly value: unknown
  /** Numbers, compared from the first; undefined where none was recorded. */
  readonly version: readonly number[] | undefined
}

/**
 * What a client saw of a register: `{"value":V,"version":N}` or `{"value":V,"version":[N,M]}` where
 * versions were recorded, else the bare value.
 */
export function versioned(value: unknown): Versioned {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bare(value)
  if (Object.keys(value).length !== 2 || !('value' in value) || !('version' in value)) {
    return bare(value)
  }
  const version = typeof value.version === 'number' ? [value.version] : value.version
  if (!Array.isArray(version) || !version.every((part) => typeof part === 'number')) {
    return bare(value)
  }
  return { value: value.value, version }
}

function bare(value: unknown): Versioned {
  return { value, version: undefined }
}

/** What a compare-and-set needs and what it leaves, of its `[old,new]`; undefined for another value. */
export function casPair(
  value: unknown,
): { readonly old: unknown; readonly new: unknown } | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const pair: readonly unknown[] = value
  return { old: pair[0], new: pair[1] }
}
