/**
 * Column builders: `text().optional()`, `counter()`, … Each method exists only where it makes
 * sense; the same table of rules shapes the types and refuses at run time with `SCHEMA_INVALID`.
 */
import { MeridianError } from '../core/errors.ts'
import type { ColumnType } from './compiled.ts'

/** What was declared of a column, besides its type. */
export type ColumnFlag = 'primaryKey' | 'optional' | 'unique' | 'default' | 'encrypted'

declare const SPEC: unique symbol

/** A declared column. `V`: its value as the client gives it; `F`: what was declared of it. */
export interface Column<
  T extends ColumnType = ColumnType,
  V = unknown,
  F extends ColumnFlag = ColumnFlag,
> {
  readonly definition: ColumnDefinition
  /** For the type checker alone. */
  readonly [SPEC]?: { readonly type: T; readonly value: V; readonly flags: F }
}

/** The type of a column, e.g. `'text'`. */
export type ColumnTypeOf<C extends Column> = NonNullable<C[typeof SPEC]>['type']
/** The value of a column that is not null. */
export type ColumnValueOf<C extends Column> = NonNullable<C[typeof SPEC]>['value']
/** What was declared of a column; `never` when nothing was. */
export type ColumnFlagsOf<C extends Column> = NonNullable<C[typeof SPEC]>['flags']

/** A declaration at run time. */
export interface ColumnDefinition {
  readonly type: ColumnType
  readonly primaryKey: boolean
  readonly optional: boolean
  readonly unique: boolean
  readonly encrypted: { readonly lookup: 'exact' | 'none' } | null
  /** In its public form; compiling converts it. */
  readonly default: { readonly value: unknown } | null
  readonly renamedFrom: string | null
}

/** Where a method makes sense: on columns of these types, without any of these flags. */
const RULES = {
  primaryKey: {
    types: ['text', 'integer', 'bigint', 'timestamp'],
    without: ['primaryKey', 'optional', 'unique', 'default', 'encrypted'],
  },
  optional: {
    types: ['text', 'integer', 'bigint', 'real', 'boolean', 'timestamp', 'blob', 'json'],
    without: ['optional', 'primaryKey'],
  },
  unique: {
    types: ['text', 'integer', 'bigint', 'timestamp'],
    without: ['unique', 'primaryKey', 'encrypted'],
  },
  default: {
    types: ['text', 'integer', 'bigint', 'real', 'boolean', 'timestamp', 'blob', 'json'],
    without: ['default', 'primaryKey'],
  },
  encrypted: {
    types: ['text', 'integer', 'bigint', 'real', 'boolean', 'timestamp', 'blob', 'json'],
    without: ['encrypted', 'primaryKey', 'unique'],
  },
  lookup: { types: ['text', 'integer', 'bigint', 'timestamp'], without: [] },
} as const

type Rules = typeof RULES

/** The methods that a column of this type with these flags has. */
type Allowed<T extends ColumnType, F extends ColumnFlag> = {
  [M in ColumnFlag]: T extends Rules[M]['types'][number]
    ? [F & Rules[M]['without'][number]] extends [never]
      ? M
      : never
    : never
}[ColumnFlag]

/** Options of `.encrypted()`. */
export interface EncryptedOptions<T extends ColumnType> {
  /** `'exact'`: keeps a blind index, so that rows can be found by the exact value. */
  readonly lookup?: T extends Rules['lookup']['types'][number] ? 'exact' : never
}

/** All methods of a column; `ColumnBuilder` has those that make sense. */
interface ColumnMethods<T extends ColumnType, V, F extends ColumnFlag> {
  /** Part of the primary key, in the order of the declaration. */
  primaryKey(): ColumnBuilder<T, V, F | 'primaryKey'>
  /** May be left out and may be `null`. */
  optional(): ColumnBuilder<T, V, F | 'optional'>
  /** No two rows (of one tenant) have the same value. Not in eventual tables. */
  unique(): ColumnBuilder<T, V, F | 'unique'>
  /** What an insert that leaves the column out stores. */
  default(value: V): ColumnBuilder<T, V, F | 'default'>
  /** Encrypted in the client; the regions hold ciphertext only. */
  encrypted(options?: EncryptedOptions<T>): ColumnBuilder<T, V, F | 'encrypted'>
}

/** A column with the methods that still make sense for it. */
export type ColumnBuilder<T extends ColumnType, V, F extends ColumnFlag = never> = Column<T, V, F> &
  Pick<ColumnMethods<T, V, F>, Allowed<T, F>> & {
    /** Keeps the data of a column that had this name before. */
    renamedFrom(name: string): ColumnBuilder<T, V, F>
  }

/** Text: well-formed Unicode without NUL. Compared by its UTF-8 bytes. */
export function text(): ColumnBuilder<'text', string> {
  return builder('text')
}

/** A whole number that JavaScript holds exactly: ±(2^53 - 1). */
export function integer(): ColumnBuilder<'integer', number> {
  return builder('integer')
}

/** A 64-bit integer, as `bigint`. */
export function bigint(): ColumnBuilder<'bigint', bigint> {
  return builder('bigint')
}

/** A finite double. */
export function real(): ColumnBuilder<'real', number> {
  return builder('real')
}

/** `true` or `false`. */
export function boolean(): ColumnBuilder<'boolean', boolean> {
  return builder('boolean')
}

/** An instant in milliseconds, as `Date`. */
export function timestamp(): ColumnBuilder<'timestamp', Date> {
  return builder('timestamp')
}

/** Bytes. */
export function blob(): ColumnBuilder<'blob', Uint8Array> {
  return builder('blob')
}

/** A value that JSON can hold, replaced as a whole. */
export function json<T = unknown>(): ColumnBuilder<'json', T> {
  return builder('json')
}

/** Eventual tables: a number to which every region adds; concurrent increments all count. */
export function counter(): ColumnBuilder<'counter', number> {
  return builder('counter')
}

/** Eventual tables: a set of texts; of a concurrent add and remove of an element, add wins. */
export function set(): ColumnBuilder<'set', readonly string[]> {
  return builder('set')
}

/** Eventual tables: a text that many edit at once (Yjs). */
export function collaborativeText(): ColumnBuilder<'collaborativeText', string> {
  return builder('collaborativeText')
}

function builder<T extends ColumnType, V>(type: T): ColumnBuilder<T, V> {
  const empty: ColumnDefinition = {
    type,
    primaryKey: false,
    optional: false,
    unique: false,
    encrypted: null,
    default: null,
    renamedFrom: null,
  }
  return new Builder(empty)
}

/** Has every method: a call that the types forbid is refused, not undefined. */
class Builder {
  readonly definition: ColumnDefinition

  constructor(definition: ColumnDefinition) {
    this.definition = Object.freeze(definition)
  }

  primaryKey(): Builder {
    return this.#with('primaryKey', { primaryKey: true })
  }

  optional(): Builder {
    return this.#with('optional', { optional: true })
  }

  unique(): Builder {
    return this.#with('unique', { unique: true })
  }

  default(value: unknown): Builder {
    return this.#with('default', { default: { value } })
  }

  encrypted(options: { readonly lookup?: unknown } = {}): Builder {
    const { type } = this.definition
    const lookup = options.lookup ?? 'none'
    if (lookup !== 'none' && lookup !== 'exact') {
      throw new MeridianError('SCHEMA_INVALID', `Unknown lookup of an encrypted ${type} column.`, {
        fix: "The option `lookup` takes 'exact' or is left out.",
      })
    }
    if (lookup === 'exact' && !allows('lookup', type)) {
      throw new MeridianError('SCHEMA_INVALID', `No exact lookup on an encrypted ${type} column.`, {
        fix: `Lookups exist for ${RULES.lookup.types.join(', ')}.`,
      })
    }
    return this.#with('encrypted', { encrypted: { lookup } })
  }

  renamedFrom(name: string): Builder {
    return new Builder({ ...this.definition, renamedFrom: name })
  }

  #with(method: ColumnFlag, change: Partial<ColumnDefinition>): Builder {
    const { type } = this.definition
    if (!allows(method, type)) {
      throw new MeridianError('SCHEMA_INVALID', `.${method}() makes no sense on ${type}().`, {
        fix: `It is for: ${RULES[method].types.join(', ')}.`,
      })
    }
    const clash = RULES[method].without.find((flag) => hasFlag(this.definition, flag))
    if (clash !== undefined) {
      throw new MeridianError(
        'SCHEMA_INVALID',
        `.${method}() makes no sense on a ${type}() column that has .${clash}().`,
        { fix: 'Remove one of the two.' },
      )
    }
    return new Builder({ ...this.definition, ...change })
  }
}

function allows(method: keyof Rules, type: ColumnType): boolean {
  const types: readonly ColumnType[] = RULES[method].types
  return types.includes(type)
}

function hasFlag(definition: ColumnDefinition, flag: ColumnFlag): boolean {
  const declared = definition[flag]
  return declared !== null && declared !== false
}
