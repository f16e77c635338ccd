/** Facts of nested objects as lines of text. */
import { plainNumber, threeFigures } from './names.ts'

/** A name and what it is. */
export type Fact = readonly [name: string, value: string]

const GIB = 2 ** 30
const UNITS: readonly (readonly [ending: string, unit: string])[] = [
  ['Ms', 'ms'],
  ['Bytes', 'GiB'],
]

/** Every value of an object, by the words of its path: `fsyncP50Ms: 2.1` is `fsync p50: 2.10 ms`. */
export function flattenFacts(value: object): readonly Fact[] {
  return Object.entries(value).flatMap(([name, inner]) => factsOf([name], inner))
}

function factsOf(path: readonly string[], value: unknown): readonly Fact[] {
  if (value === undefined) return []
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) {
    return [[wordsOf(path).name, value.length === 0 ? 'none' : value.join(', ')]]
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, inner]) => factsOf([...path, name], inner))
  }
  const { name, unit } = wordsOf(path)
  return [
    [name, unit === undefined || value === null ? textOf(value) : `${textOf(value, unit)} ${unit}`],
  ]
}

function textOf(value: unknown, unit?: string): string {
  if (value === null) return 'not known'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number' && unit === 'ms') return threeFigures(value)
  if (typeof value === 'number') return plainNumber(unit === 'GiB' ? value / GIB : value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function wordsOf(path: readonly string[]): { readonly name: string; readonly unit?: string } {
  const last = path.at(-1) ?? ''
  const found = UNITS.find(([ending]) => last.endsWith(ending) && last.length > ending.length)
  const shortened = found === undefined ? last : last.slice(0, -found[0].length)
  const name = [...path.slice(0, -1), shortened].map(spaced).join(' ')
  return found === undefined ? { name } : { name, unit: found[1] }
}

/** `processorModel` as `processor model`; abbreviations and names with capitals stay. */
function spaced(name: string): string {
  return name.replaceAll(
    /([a-z\d])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  )
}
