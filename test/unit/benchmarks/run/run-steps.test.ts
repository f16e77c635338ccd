import { expect, test } from 'vitest'
import { runSteps } from '../../../../benchmarks/run/run-steps.ts'
import type { BenchEvent } from '../../../../benchmarks/run/options.ts'
import type { BenchContext, BenchStep, StepResult } from '../../../../benchmarks/step.ts'

function step(name: string, run: BenchStep['run']): BenchStep {
  return { name, durationMs: 1_000, run }
}

function contextOf(signal: AbortSignal): BenchContext {
  // Steps of these tests look at nothing else.
  return { signal, timeScale: 0.5, target: { leader: 'eu' } } as BenchContext
}

const RESULT: StepResult = { notes: ['measured'] }

test('a step that fails is told of, and the rest goes on', async () => {
  const steps = [
    step('first', () => Promise.reject(new Error('no disk'))),
    step('second', async () => RESULT),
  ]
  const outcomes = await runSteps(steps, contextOf(new AbortController().signal), () => undefined)
  expect(outcomes).toMatchObject([
    { result: undefined, problem: 'no disk' },
    { result: RESULT, problem: undefined },
  ])
})

test('a step that throws before it gives a promise is no different', async () => {
  const steps = [
    step('first', () => {
      throw new RangeError('there is no client in nowhere')
    }),
  ]
  const [outcome] = await runSteps(steps, contextOf(new AbortController().signal), () => undefined)
  expect(outcome?.problem).toBe('there is no client in nowhere')
})

test('after an interruption what is measured stays, and nothing is begun', async () => {
  const controller = new AbortController()
  const begun: string[] = []
  const steps = ['first', 'second', 'third'].map((name) =>
    step(name, async () => {
      begun.push(name)
      if (name === 'second') {
        controller.abort()
        throw new Error('given up')
      }
      return RESULT
    }),
  )
  const outcomes = await runSteps(steps, contextOf(controller.signal), () => undefined)
  expect(begun).toEqual(['first', 'second'])
  expect(outcomes.map(({ problem }) => problem)).toEqual([undefined, 'given up', 'not begun'])
})

test('events say what runs, how long, and what comes after', async () => {
  const events: BenchEvent[] = []
  const steps = [step('first', async () => RESULT), step('second', async () => RESULT)]
  const { signal } = new AbortController()
  await runSteps(steps, contextOf(signal), (event) => events.push(event))
  expect(events.filter(({ kind }) => kind === 'step')).toEqual([
    { kind: 'step', name: 'first', index: 0, count: 2, expectedMs: 500, afterMs: 500 },
    { kind: 'step', name: 'second', index: 1, count: 2, expectedMs: 500, afterMs: 0 },
  ])
})
