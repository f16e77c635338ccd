/**
 * Collaborative texts: one Y.Doc a cell, kept as a Yjs update in encoding V2, which stays smallest
 * as edits accumulate. A document exists only while it is merged or edited.
 */
import * as Y from 'yjs'
import { MeridianError } from '../src/core/errors.ts'
import type { TextEdit } from '../src/core/operations.ts'

/** The name under which the text stands in its document: what editors bind to. */
export const TEXT_NAME = 'text'

/** A text's state and the text itself. */
export interface TextValue {
  readonly update: Uint8Array
  readonly text: string
}

/** The text of a state. */
export function readText(update: Uint8Array): string {
  return load([update]).getText(TEXT_NAME).toString()
}

/** Joins two states, or a state and an edit. */
export function mergeTexts(a: Uint8Array, b: Uint8Array): TextValue {
  const doc = load([a, b])
  return { update: Y.encodeStateAsUpdateV2(doc), text: doc.getText(TEXT_NAME).toString() }
}

/** What edits gave. */
export interface EditedText extends TextValue {
  /** The edits alone, for regions that have the rest; null when they changed nothing. */
  readonly edit: Uint8Array | null
}

/**
 * Edits a text (null: an empty one) as `clientId`.
 *
 * @throws MeridianError `INVALID_VALUE` when a position lies outside the text or inside a
 * surrogate pair: the text was changed since the caller saw it, and clamping would edit a place
 * that nobody meant
 */
export function editText(
  update: Uint8Array | null,
  edits: readonly TextEdit[],
  clientId: number,
): EditedText {
  const doc = load(update === null ? [] : [update])
  // Only now: loading a state that holds one's own id makes Yjs draw a random one.
  doc.clientID = clientId
  let edit: Uint8Array | null = null
  doc.on('updateV2', (bytes: Uint8Array) => {
    edit = bytes
  })
  const text = doc.getText(TEXT_NAME)
  // Kept beside the document, which would put its text together anew for every edit.
  let current = text.toString()
  doc.transact(() => {
    for (const one of edits) current = applyEdit(text, current, one)
  })
  return { update: Y.encodeStateAsUpdateV2(doc), text: text.toString(), edit }
}

function load(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdateV2(doc, update)
  return doc
}

/** Applies an edit to the document, whose text is `current`; gives its text then. */
function applyEdit(text: Y.Text, current: string, edit: TextEdit): string {
  switch (edit.kind) {
    case 'insert':
      checkPosition(current, edit.at)
      text.insert(edit.at, edit.text)
      return current.slice(0, edit.at) + edit.text + current.slice(edit.at)
    case 'append':
      text.insert(current.length, edit.text)
      return current + edit.text
    case 'delete':
      checkPosition(current, edit.at)
      checkPosition(current, edit.at + edit.length)
      text.delete(edit.at, edit.length)
      return current.slice(0, edit.at) + current.slice(edit.at + edit.length)
    case 'replace':
      replace(text, current, edit.text)
      return edit.text
  }
}

/** The smallest edit in one place: what both texts begin and end with stays. */
function replace(text: Y.Text, current: string, wanted: string): void {
  const shorter = Math.min(current.length, wanted.length)
  let start = 0
  while (start < shorter && current[start] === wanted[start]) start++
  if (insidePair(current, start) || insidePair(wanted, start)) start--
  let tail = 0
  while (tail < shorter - start && current.at(-1 - tail) === wanted.at(-1 - tail)) tail++
  if (insidePair(current, current.length - tail) || insidePair(wanted, wanted.length - tail)) tail--
  const removed = current.length - start - tail
  if (removed > 0) text.delete(start, removed)
  const added = wanted.slice(start, wanted.length - tail)
  if (added !== '') text.insert(start, added)
}

function checkPosition(text: string, position: number): void {
  if (Number.isInteger(position) && position >= 0 && position <= text.length) {
    if (!insidePair(text, position)) return
    throw badPosition('lies inside a character')
  }
  throw badPosition('lies outside the text')
}

function insidePair(text: string, position: number): boolean {
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(
    text.slice(Math.max(0, position - 1), position + 1),
  )
}

function badPosition(problem: string): MeridianError {
  return new MeridianError('INVALID_VALUE', `A position of a text edit ${problem}.`, {
    fix: 'Read the text again and edit it in a transaction that checks the read.',
  })
}
