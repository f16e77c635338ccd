import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { MIN_SERVER_CLIENT_ID, textClientId } from '../../../crdt/client-id.ts'
import { editText, mergeTexts, readText, TEXT_NAME } from '../../../crdt/text.ts'
import type { TextEdit } from '../../../src/core/operations.ts'

const US = textClientId('us.00000001')
const EU = textClientId('eu.00000001')
const start = editText(null, [{ kind: 'append', text: 'hello 🙂 world' }], US)

describe('an edit', () => {
  test.each<[string, TextEdit, string]>([
    ['inserts', { kind: 'insert', at: 5, text: ',' }, 'hello, 🙂 world'],
    ['appends', { kind: 'append', text: '!' }, 'hello 🙂 world!'],
    ['deletes', { kind: 'delete', at: 0, length: 9 }, 'world'],
    ['replaces', { kind: 'replace', text: 'hello 🙃 word' }, 'hello 🙃 word'],
  ])('%s', (_, edit, text) => {
    expect(editText(start.update, [edit], US).text).toBe(text)
  })

  test.each<[string, TextEdit]>([
    ['after the end', { kind: 'insert', at: 15, text: 'x' }],
    ['before the start', { kind: 'insert', at: -1, text: 'x' }],
    ['across the end', { kind: 'delete', at: 10, length: 5 }],
    ['inside a surrogate pair', { kind: 'insert', at: 7, text: 'x' }],
    ['up to inside a surrogate pair', { kind: 'delete', at: 5, length: 2 }],
  ])('%s is refused', (_, edit) => {
    expect(() => editText(start.update, [edit], US)).toThrowError(
      expect.objectContaining({ code: 'INVALID_VALUE' }),
    )
  })

  test('that replaces touches only what differs, so that concurrent edits stay', () => {
    const ours = editText(start.update, [{ kind: 'replace', text: 'hello 🙂 there world' }], US)
    const theirs = editText(start.update, [{ kind: 'insert', at: 0, text: '>> ' }], EU)
    expect(mergeTexts(ours.update, theirs.edit as Uint8Array).text).toBe('>> hello 🙂 there world')
  })

  test('that replaces one astral character by another of the same half splits neither', () => {
    const merged = editText(start.update, [{ kind: 'replace', text: 'hello 🙃 world' }], US)
    expect(merged.text.isWellFormed()).toBe(true)
    expect(readText(merged.update)).toBe('hello 🙃 world')
  })

  test('that changes nothing has no delta', () => {
    expect(editText(start.update, [{ kind: 'replace', text: start.text }], US).edit).toBeNull()
  })

  test('has a delta whose size does not grow with the text and its history', () => {
    let state = editText(null, [{ kind: 'append', text: 'hello world' }], US).update
    for (let i = 0; i < 200; i++) {
      state = editText(
        state,
        [
          { kind: 'delete', at: 0, length: 1 },
          { kind: 'append', text: 'x' },
        ],
        US,
      ).update
    }
    const { edit } = editText(state, [{ kind: 'append', text: 'y' }], US)
    expect(edit?.length).toBeLessThan(64)
  })

  test('continues under its own client id after the state was loaded', () => {
    const next = editText(start.update, [{ kind: 'append', text: '!' }], US)
    const doc = new Y.Doc()
    Y.applyUpdateV2(doc, next.update)
    expect([...doc.store.clients.keys()]).toEqual([US])
    expect(doc.getText(TEXT_NAME).toString()).toBe(next.text)
  })
})

describe('merging', () => {
  test('waits for an edit that is missing and heals when it comes', () => {
    const second = editText(start.update, [{ kind: 'append', text: '!' }], US)
    const third = editText(second.update, [{ kind: 'append', text: '?' }], US)
    const early = mergeTexts(start.update, third.edit as Uint8Array)
    expect(early.text).toBe(start.text)
    expect(mergeTexts(early.update, second.edit as Uint8Array).text).toBe(third.text)
  })
})

describe('a client id', () => {
  test('is the same for the same source and differs in region and incarnation', () => {
    const ids = ['us.00000001', 'us.00000002', 'eu.00000001', 'us-east.ffffffff'].map(textClientId)
    expect(new Set(ids).size).toBe(4)
    expect(textClientId('us.00000001')).toBe(ids[0])
  })

  test('is never one that a browser draws, and fits 53 bits', () => {
    for (const source of ['us.00000000', 'ap-south-1.ffffffff', 'x.80000000']) {
      const id = textClientId(source)
      expect(id).toBeGreaterThanOrEqual(MIN_SERVER_CLIENT_ID)
      expect(Number.isSafeInteger(id)).toBe(true)
    }
  })

  test.each(['us', 'us.1', '.00000001', 'us.0000000g'])('of %s is refused', (source) => {
    expect(() => textClientId(source)).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
