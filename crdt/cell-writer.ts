/** The cells that one transaction writes in one life of one row. */
import { MeridianError } from '../src/core/errors.ts'
import { HLC_ZERO, makeStamp, type Hlc, type Stamp } from '../src/core/hlc.ts'
import { MAX_CELL_BYTES } from '../src/core/limits.ts'
import type { CellOp, TextEdit } from '../src/core/operations.ts'
import { textProblem, type SqlValue } from '../src/core/values.ts'
import type { CompiledColumn, CompiledTable, PhysicalColumn } from '../src/schema/compiled.ts'
import { counterSum, presentElements } from './project.ts'
import {
  EMPTY_ROW,
  slotOf,
  type CounterEntry,
  type ElementTag,
  type ElementTags,
  type Register,
  type RowState,
  type TextCell,
} from './state.ts'
import { editText, type EditedText } from './text.ts'

interface TextDraft {
  readonly edits: TextEdit[]
  result: EditedText
}

type Sets = Map<number, Map<string, Map<string, ElementTag>>>

/** Collects cell writes; what was there before stays as it was. */
export class CellWriter {
  readonly #table: CompiledTable
  readonly #before: RowState
  readonly #source: string
  readonly #hlc: Hlc
  readonly #clientId: number
  readonly #stamp: Stamp
  readonly #registers = new Map<number, Register>()
  readonly #counters = new Map<number, ReadonlyMap<string, CounterEntry>>()
  readonly #sets: Sets = new Map()
  readonly #texts = new Map<number, TextDraft>()

  constructor(
    table: CompiledTable,
    before: RowState,
    author: { readonly source: string; readonly hlc: Hlc; readonly clientId: number },
  ) {
    this.#table = table
    this.#before = before
    this.#source = author.source
    this.#hlc = author.hlc
    this.#clientId = author.clientId
    this.#stamp = makeStamp(author.hlc, author.source)
  }

  /** The written cells; the caller adds life, deletes and `seen`. */
  delta(): RowState {
    const texts = [...this.#texts].flatMap(([id, { result }]): [number, TextCell][] =>
      result.edit === null ? [] : [[id, { stamp: this.#stamp, update: result.edit, text: null }]],
    )
    return {
      ...EMPTY_ROW,
      registers: this.#registers,
      counters: this.#counters,
      sets: this.#sets,
      texts: new Map(texts),
    }
  }

  /** Puts the edited texts in, which spares the merge a second round through Yjs. */
  withTexts(row: RowState): RowState {
    if (this.#texts.size === 0) return row
    const texts = new Map(row.texts)
    for (const [id, { result }] of this.#texts) {
      if (result.edit === null) continue
      texts.set(id, { stamp: this.#stamp, update: result.update, text: result.text })
    }
    return { ...row, texts }
  }

  /**
   * Applies an operation to a cell. `index`: the physical column's in the row image.
   *
   * @throws MeridianError `INVALID_VALUE`, `CONSTRAINT_VIOLATED`
   */
  apply(index: number, op: CellOp): void {
    const physical = this.#table.physical[index]
    const column = this.#table.columnById.get(physical?.columnId ?? -1)
    if (physical === undefined || column === undefined || column.primaryKey) {
      throw new MeridianError(
        'INVALID_ARGUMENT',
        `Column ${index} of \`${this.#table.name}\` cannot be written.`,
        { fix: 'Give the index of a column that is not part of the primary key.' },
      )
    }
    switch (column.type) {
      case 'counter':
        return this.#applyToCounter(column, op)
      case 'set':
        return this.#applyToSet(column, op)
      case 'collaborativeText':
        return this.#applyToText(column, op)
      default:
        return this.#applyToRegister(column, physical, op)
    }
  }

  #applyToRegister(column: CompiledColumn, physical: PhysicalColumn, op: CellOp): void {
    if (op.kind !== 'set') throw this.#misplaced(column, op)
    if (op.value === null && !column.optional && physical.kind === 'value') {
      throw this.#violated(column, 'is null')
    }
    if (!fits(physical, op.value)) throw this.#invalid(column, 'is not in its stored form')
    const slot = slotOf(physical)
    const replaced = this.#before.registers.get(slot)?.stamp ?? null
    this.#registers.set(slot, { stamp: this.#stamp, replaced, value: op.value })
  }

  /** Setting a counter adds what is missing: it is not a last-writer-wins value. */
  #applyToCounter(column: CompiledColumn, op: CellOp): void {
    const before = this.#before.counters.get(column.id)
    const entries = new Map([...(before ?? []), ...(this.#counters.get(column.id) ?? [])])
    const sum = counterSum(entries)
    let by: number
    if (op.kind === 'increment' && op.floor === null) by = Number(op.by)
    else if (op.kind === 'set') by = Number(op.value ?? 0) - sum
    else throw this.#misplaced(column, op)
    const total = (entries.get(this.#source)?.total ?? 0) + by
    if (!Number.isSafeInteger(total) || !Number.isSafeInteger(sum + by)) {
      throw this.#violated(column, 'would leave its range')
    }
    if (by === 0) return
    this.#counters.set(column.id, new Map([[this.#source, { hlc: this.#hlc, total }]]))
  }

  #applyToSet(column: CompiledColumn, op: CellOp): void {
    if (op.kind === 'add') return this.#addElements(column, op.elements)
    if (op.kind === 'remove') return this.#removeElements(column, op.elements)
    if (op.kind !== 'set') throw this.#misplaced(column, op)
    const wanted = op.value === null ? [] : parseSet(op.value)
    if (wanted === undefined) throw this.#invalid(column, 'is not in its stored form')
    // Either can be as long as a message: a list would be searched a million times.
    const before = new Set(presentElements(this.#elements(column.id)))
    const after = new Set(wanted)
    this.#removeElements(
      column,
      [...before].filter((element) => !after.has(element)),
    )
    this.#addElements(
      column,
      [...after].filter((element) => !before.has(element)),
    )
  }

  /** Adding what is there already adds a tag: the element survives a concurrent remove. */
  #addElements(column: CompiledColumn, elements: readonly string[]): void {
    for (const element of elements) {
      const removed = this.#tags(column.id, element).get(this.#source)?.removed ?? HLC_ZERO
      this.#putTag(column.id, element, this.#source, { added: this.#hlc, removed })
    }
  }

  #removeElements(column: CompiledColumn, elements: readonly string[]): void {
    for (const element of elements) {
      this.#forgetAdd(column.id, element)
      for (const [source, { added, removed }] of this.#tags(column.id, element)) {
        if (added <= removed) continue
        this.#putTag(column.id, element, source, { added: HLC_ZERO, removed: added })
      }
    }
  }

  /** The transaction's own add was never there, so that it can be made again. */
  #forgetAdd(columnId: number, element: string): void {
    const elements = this.#sets.get(columnId)
    const tags = elements?.get(element)
    if (tags?.get(this.#source)?.added !== this.#hlc) return
    tags.delete(this.#source)
    if (tags.size === 0) elements?.delete(element)
    if (elements?.size === 0) this.#sets.delete(columnId)
  }

  #tags(columnId: number, element: string): ElementTags {
    const before = this.#before.sets.get(columnId)?.get(element)
    return new Map([...(before ?? []), ...(this.#sets.get(columnId)?.get(element) ?? [])])
  }

  #elements(columnId: number): ReadonlyMap<string, ElementTags> {
    const elements = new Map(this.#before.sets.get(columnId))
    for (const element of this.#sets.get(columnId)?.keys() ?? []) {
      elements.set(element, this.#tags(columnId, element))
    }
    return elements
  }

  #putTag(columnId: number, element: string, source: string, tag: ElementTag): void {
    const elements = this.#sets.get(columnId) ?? new Map<string, Map<string, ElementTag>>()
    this.#sets.set(columnId, elements)
    const tags = elements.get(element) ?? new Map<string, ElementTag>()
    elements.set(element, tags)
    tags.set(source, tag)
  }

  #applyToText(column: CompiledColumn, op: CellOp): void {
    let edits: readonly TextEdit[]
    if (op.kind === 'text') edits = op.edits
    else if (op.kind === 'set') edits = [{ kind: 'replace', text: String(op.value ?? '') }]
    else throw this.#misplaced(column, op)
    const before = this.#before.texts.get(column.id)
    const all = [...(this.#texts.get(column.id)?.edits ?? []), ...edits]
    if (before === undefined && all.every((edit) => 'text' in edit && edit.text === '')) return
    const result = editText(before?.update ?? null, all, this.#clientId)
    const problem = textProblem(result.text)
    if (problem !== undefined) throw this.#invalid(column, problem)
    if (result.update.length > MAX_CELL_BYTES) {
      throw this.#invalid(column, `has ${result.update.length} bytes, more than ${MAX_CELL_BYTES}`)
    }
    this.#texts.set(column.id, { edits: all, result })
  }

  #misplaced(column: CompiledColumn, op: CellOp): MeridianError {
    const what = op.kind === 'increment' && op.floor !== null ? 'increment with a floor' : op.kind
    return new MeridianError(
      'INVALID_VALUE',
      `The operation \`${what}\` does not work on \`${this.#table.name}.${column.name}\`: regions merge this column without asking each other.`,
      {
        fix: 'Eventual tables increment counter() columns, without a floor; keep numbers that need floors or extrema in strong or pinned tables.',
        details: { table: this.#table.name, column: column.name },
      },
    )
  }

  #violated(column: CompiledColumn, problem: string): MeridianError {
    const name = `\`${this.#table.name}.${column.name}\``
    return new MeridianError('CONSTRAINT_VIOLATED', `${name} ${problem}.`, {
      details: { table: this.#table.name, column: column.name },
    })
  }

  #invalid(column: CompiledColumn, problem: string): MeridianError {
    const name = `\`${this.#table.name}.${column.name}\``
    return new MeridianError('INVALID_VALUE', `${name} ${problem}.`, {
      details: { table: this.#table.name, column: column.name },
    })
  }
}

function fits({ storage }: PhysicalColumn, value: SqlValue): boolean {
  if (value === null) return true
  switch (storage) {
    case 'TEXT':
      return typeof value === 'string'
    case 'INTEGER':
      return typeof value === 'bigint' || Number.isInteger(value)
    case 'REAL':
      return typeof value === 'number'
    case 'BLOB':
      return value instanceof Uint8Array
  }
}

function parseSet(stored: SqlValue): string[] | undefined {
  let elements: unknown
  try {
    elements = JSON.parse(String(stored))
  } catch {
    return undefined
  }
  const isSet = Array.isArray(elements) && elements.every((element) => typeof element === 'string')
  return isSet ? (elements as string[]) : undefined
}
