/** The vocabulary of updates, the same in all modes: `increment(2)`, `max(9)`, `add('gift')`, … */
import type { TextEdit } from '../core/operations.ts'

/** What an operator does. */
export type OperatorKind = 'increment' | 'flooredIncrement' | 'max' | 'min' | 'elements' | 'text'

/** Shared by all copies of this module in a process. */
const KIND: unique symbol = Symbol.for('meridian.operator')

/** What an update does to a cell instead of replacing its value. `V`: what it works on. */
export interface Operator<K extends OperatorKind = OperatorKind, V = unknown> {
  readonly [KIND]: K
  /** For the type checker alone. */
  readonly operand?: V
}

/** Adds to a number. */
export interface Increment<
  N extends number | bigint,
  K extends 'increment' | 'flooredIncrement' = 'increment',
> extends Operator<K, N> {
  readonly by: N
  readonly floor: N | null
}

/** Keeps the larger or the smaller value. */
export interface Extremum<V> extends Operator<'max' | 'min', V> {
  readonly value: V
}

/** Adds elements to a set, or removes them. */
export interface SetEdit extends Operator<'elements', readonly string[]> {
  readonly action: 'add' | 'remove'
  readonly elements: readonly string[]
}

/** Edits a collaborative text. */
export interface TextOperator extends Operator<'text', string> {
  readonly edit: TextEdit
}

/** Bounds of an increment. */
export interface IncrementOptions<N extends number | bigint> {
  /** The write fails with `CONDITION_FAILED` where the sum would fall below this. */
  readonly floor: N
}

/**
 * Adds `by` to a number; null counts as 0. Concurrent increments all count and do not conflict.
 * A sum beyond the column's range is `CONSTRAINT_VIOLATED`.
 */
export function increment(by: number): Increment<number>
export function increment(by: bigint): Increment<bigint>
export function increment(
  by: number,
  options: IncrementOptions<number>,
): Increment<number, 'flooredIncrement'>
export function increment(
  by: bigint,
  options: IncrementOptions<bigint>,
): Increment<bigint, 'flooredIncrement'>
export function increment(
  by: number | bigint,
  options?: IncrementOptions<number | bigint>,
): unknown {
  return options === undefined
    ? { [KIND]: 'increment', by, floor: null }
    : { [KIND]: 'flooredIncrement', by, floor: options.floor }
}

/** Subtracts `by` from a number; see `increment`. */
export function decrement(by: number): Increment<number>
export function decrement(by: bigint): Increment<bigint>
export function decrement(
  by: number,
  options: IncrementOptions<number>,
): Increment<number, 'flooredIncrement'>
export function decrement(
  by: bigint,
  options: IncrementOptions<bigint>,
): Increment<bigint, 'flooredIncrement'>
export function decrement(
  by: number | bigint,
  options?: IncrementOptions<number | bigint>,
): unknown {
  return increment(-by as number, options as IncrementOptions<number>)
}

/** Keeps the larger of the cell and `value`; null counts as absent. Texts compare by UTF-8 bytes. */
export function max<V extends string | number | bigint | Date>(value: V): Extremum<V> {
  return { [KIND]: 'max', value }
}

/** Keeps the smaller of the cell and `value`; null counts as absent. Texts compare by UTF-8 bytes. */
export function min<V extends string | number | bigint | Date>(value: V): Extremum<V> {
  return { [KIND]: 'min', value }
}

/** Adds elements to a set. */
export function add(...elements: readonly string[]): SetEdit {
  return { [KIND]: 'elements', action: 'add', elements }
}

/** Removes elements from a set. */
export function remove(...elements: readonly string[]): SetEdit {
  return { [KIND]: 'elements', action: 'remove', elements }
}

/** Inserts text before the UTF-16 code unit `at`. */
export function insertText(at: number, text: string): TextOperator {
  return { [KIND]: 'text', edit: { kind: 'insert', at, text } }
}

/** Adds text at the end. */
export function appendText(text: string): TextOperator {
  return { [KIND]: 'text', edit: { kind: 'append', text } }
}

/** Deletes `length` UTF-16 code units from `at` on. */
export function deleteText(at: number, length: number): TextOperator {
  return { [KIND]: 'text', edit: { kind: 'delete', at, length } }
}

/** Makes the text equal to `text` with the smallest edit, so that concurrent edits survive. */
export function replaceText(text: string): TextOperator {
  return { [KIND]: 'text', edit: { kind: 'replace', text } }
}

/** Any operator, told apart by `operatorKind`. */
export type AnyOperator =
  | Increment<number | bigint, 'increment' | 'flooredIncrement'>
  | Extremum<unknown>
  | SetEdit
  | TextOperator

/** Whether a value of an update is an operator. */
export function isOperator(value: unknown): value is AnyOperator {
  return typeof value === 'object' && value !== null && KIND in value
}

/** What an operator does. */
export function operatorKind(operator: AnyOperator): OperatorKind {
  return operator[KIND]
}
