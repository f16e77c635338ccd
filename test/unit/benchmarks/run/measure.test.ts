/** What a deployment says of itself is part of the result. */
import { expect, test, vi } from 'vitest'
import { PROFILES } from '../../../../benchmarks/profiles/index.ts'
import { measure } from '../../../../benchmarks/run/measure.ts'
import type { BenchRunOptions } from '../../../../benchmarks/run/options.ts'
import { PARTS } from '../../../../benchmarks/run/parts.ts'
import { planRun } from '../../../../benchmarks/run/plan-run.ts'
import { readTopology } from '../../../../benchmarks/topologies/index.ts'
import type { BenchContext } from '../../../../benchmarks/step.ts'

test('steps are made for the region that leads, and remarks of the deployment are kept', async () => {
  const profile = PROFILES['quick']
  const latency = PARTS['latency']
  if (profile === undefined || latency === undefined) throw new RangeError('there is none')
  const options: BenchRunOptions = {
    ...{ profile, parts: ['latency'], topology: await readTopology('triangle') },
    ...{ topologyName: 'triangle', engines: 'real', leader: 'eu-west', seed: 1 },
    ...{ directory: '/nowhere', command: '', signal: AbortSignal.abort() },
    onEvent: () => undefined,
  }
  const plan = planRun(options)
  const target = { leader: 'us-east', remarks: () => ['redis us-east has ended by itself.'] }
  // Told to end before it began, it looks at nothing else.
  const context = { target, signal: options.signal } as unknown as BenchContext
  const planned = vi.spyOn(latency, 'steps')
  try {
    const { notes, outcomes } = await measure(context, plan, options)
    expect(notes).toEqual(['redis us-east has ended by itself.'])
    expect(outcomes).toHaveLength(plan.steps.length)
    expect(planned).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ leader: 'us-east' }))
  } finally {
    planned.mockRestore()
  }
})
