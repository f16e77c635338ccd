import assert from 'node:assert/strict'
import { test } from 'node:test'
import { take, type PartitionState, type Step, type TopicRecord } from './partition-state.ts'

function change(seq: number, before: number, store = 'eu-west.1'): TopicRecord {
  const headers = { 'meridian-local-seq': String(seq), 'meridian-prev-seq': String(before) }
  return { headers: { ...headers, 'meridian-store': store }, value: `{"localSeq":${seq}}` }
}

function resolved(position: number, before: number): TopicRecord {
  const headers = { 'meridian-resolved': String(position), 'meridian-prev-seq': String(before) }
  return { headers: { ...headers, 'meridian-store': 'eu-west.1' }, value: '{}' }
}

/** Takes records one after the other. */
function takeAll(records: readonly TopicRecord[]): Step[] {
  let state: PartitionState | undefined
  return records.map((record) => {
    const step = take(state, record)
    state = step.state
    return step
  })
}

test('takes each change once, also where a part of the topic is repeated', () => {
  const steps = takeAll([change(3, 0), change(7, 3), change(3, 0), change(7, 3), change(9, 7)])
  const taken = steps.map((step) => step.change?.['localSeq'])
  assert.deepEqual(taken, [3, 7, undefined, undefined, 9])
  assert.ok(steps.every((step) => step.gap === undefined))
})

test('begins anywhere, and names what is missing later', () => {
  const steps = takeAll([change(30, 20), change(50, 40)])
  assert.equal(steps[0]?.gap, undefined)
  assert.deepEqual(steps[1]?.gap, { after: 30, before: 40 })
})

test('knows how far it is complete, and that an end is missing', () => {
  const steps = takeAll([change(3, 0), resolved(5, 3), resolved(4, 3), resolved(9, 8)])
  assert.deepEqual(
    steps.map((step) => step.state.resolved),
    [0, 5, 5, 9],
  )
  assert.deepEqual(steps[3]?.gap, { after: 3, before: 8 })
})

test('begins anew with another life of the store', () => {
  const [, second] = takeAll([change(90, 0), change(2, 0, 'eu-west.2')])
  assert.deepEqual(second?.change, { localSeq: 2 })
  assert.deepEqual(second?.state, { store: 'eu-west.2', seq: 2, resolved: 0 })
})
