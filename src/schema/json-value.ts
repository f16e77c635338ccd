/** Whether JSON holds a value exactly, so that reading it back gives the same value. */

/** Nesting beyond this is refused: SQLite's JSON functions stop there too. */
const MAX_DEPTH = 1000

/** Why JSON would lose something of the value, or `undefined` when it does not. */
export function jsonProblem(value: unknown, depth = 0): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : 'holds a number that is not finite'
    case 'object':
      if (value === null) return undefined
      if (depth >= MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels or in a circle`
      return Array.isArray(value) ? arrayProblem(value, depth) : objectProblem(value, depth)
    default:
      return `holds a value of type ${typeof value}`
  }
}

function arrayProblem(array: readonly unknown[], depth: number): string | undefined {
  for (const element of array) {
    const problem = jsonProblem(element, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

function objectProblem(object: object, depth: number): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== Object.prototype && prototype !== null) {
    return 'holds an object that is neither plain nor an array'
  }
  if ('toJSON' in object) return 'holds an object with a method `toJSON`'
  for (const member of Object.values(object)) {
    // An optional property that is undefined is the same as one that is absent.
    const problem = member === undefined ? undefined : jsonProblem(member, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}
