/** Handles that answer a wrong name with a typed error instead of `undefined`. */
import type { MeridianError } from '../core/errors.ts'

/** Names that the language and its tools ask of any object. */
const ASKED_OF_ANY_OBJECT =
  /^(then|catch|finally|toJSON|constructor|inspect|asymmetricMatch|nodeType|tagName|hasAttribute)$/
const TABLE_NAME = /^[a-z][A-Za-z0-9_]*$/

/** Freezes `members`; reading any other name that could be a table throws what `explain` gives. */
export function guardNames<T extends object>(
  members: T,
  explain: (name: string) => MeridianError,
): T {
  return new Proxy(Object.freeze(members), {
    get(target, name, receiver) {
      const known = Reflect.has(target, name) || typeof name === 'symbol'
      if (known || ASKED_OF_ANY_OBJECT.test(name) || !TABLE_NAME.test(name)) {
        return Reflect.get(target, name, receiver)
      }
      throw explain(name)
    },
  })
}
