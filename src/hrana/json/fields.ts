/** Fields of decoded JSON, each checked for its type. Unknown fields are ignored, as Hrana asks. */
import { malformed } from '../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

const INT32_MAX = 2 ** 31 - 1
const UINT32_MAX = 2 ** 32 - 1

/** @param what names the place in messages */
export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} is not an object`)
  }
  return value as JsonObject
}

/** An own property: names like `constructor` find nothing. */
function field(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

export function objectField(object: JsonObject, name: string): JsonObject {
  return asObject(field(object, name), `\`${name}\``)
}

export function optionalObject(object: JsonObject, name: string): JsonObject | undefined {
  const value = field(object, name)
  return value === undefined || value === null ? undefined : asObject(value, `\`${name}\``)
}

export function listField<T>(
  object: JsonObject,
  name: string,
  convert: (element: JsonObject) => T,
): T[] {
  const value = field(object, name)
  if (!Array.isArray(value)) throw malformed(`\`${name}\` is not a list`)
  return value.map((element) => convert(asObject(element, `an element of \`${name}\``)))
}

export function optionalList<T>(
  object: JsonObject,
  name: string,
  convert: (element: JsonObject) => T,
): T[] {
  const value = field(object, name)
  return value === undefined || value === null ? [] : listField(object, name, convert)
}

export function textField(object: JsonObject, name: string): string {
  const value = field(object, name)
  if (typeof value !== 'string') throw malformed(`\`${name}\` is not a string`)
  if (!value.isWellFormed()) throw malformed(`\`${name}\` contains a lone surrogate`)
  return value
}

export function optionalText(object: JsonObject, name: string): string | undefined {
  const value = field(object, name)
  return value === undefined || value === null ? undefined : textField(object, name)
}

export function flagField(object: JsonObject, name: string, otherwise: boolean): boolean {
  const value = field(object, name)
  if (value === undefined || value === null) return otherwise
  if (typeof value !== 'boolean') throw malformed(`\`${name}\` is not a boolean`)
  return value
}

export function numberField(object: JsonObject, name: string): number {
  const value = field(object, name)
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw malformed(`\`${name}\` is not a finite number`)
  }
  return value
}

export function int32Field(object: JsonObject, name: string): number {
  return wholeField(object, name, -INT32_MAX - 1, INT32_MAX)
}

export function uint32Field(object: JsonObject, name: string): number {
  return wholeField(object, name, 0, UINT32_MAX)
}

export function optionalInt32(object: JsonObject, name: string): number | undefined {
  const value = field(object, name)
  return value === undefined || value === null ? undefined : int32Field(object, name)
}

function wholeField(object: JsonObject, name: string, min: number, max: number): number {
  const value = field(object, name)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw malformed(`\`${name}\` is not a whole number between ${min} and ${max}`)
  }
  return value
}
