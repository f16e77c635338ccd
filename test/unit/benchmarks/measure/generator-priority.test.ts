import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  GeneratorPriority,
  generatorPriority,
  type PriorityWay,
} from '../../../../benchmarks/measure/generator-priority.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'

/** The scheduling policy in a line of `/proc/<id>/stat`. */
function policyIn(stat: string): string | undefined {
  return stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ')[38]
}

/** Of all threads of this process. */
function policies(): readonly (string | undefined)[] {
  return readdirSync('/proc/self/task').map((id) =>
    policyIn(readFileSync(`/proc/self/task/${id}/stat`, 'latin1')),
  )
}

function policyNow(): string | undefined {
  return policyIn(readFileSync('/proc/thread-self/stat', 'latin1'))
}

function way(log: string[], isAllowed = true): PriorityWay {
  return {
    kind: isAllowed ? 'niceness' : 'real time',
    raise() {
      log.push(isAllowed ? 'raised' : 'refused')
      return isAllowed ? () => void log.push('undone') : undefined
    },
  }
}

describe('the priority of the generator', () => {
  test('is raised by the first that holds it, and undone by the last that lets go', () => {
    const log: string[] = []
    const priority = new GeneratorPriority([way(log)])
    const [first, second] = [priority.hold(), priority.hold()]
    expect(priority.kind).toBe('niceness')
    first()
    first()
    expect(log).toEqual(['raised'])
    expect(priority.kind).toBe('niceness')
    second()
    expect(log).toEqual(['raised', 'undone'])
    expect(priority.kind).toBeNull()
    priority.hold()()
    expect(log).toEqual(['raised', 'undone', 'raised', 'undone'])
  })

  test('is raised by the first way that is allowed, or by none', () => {
    const log: string[] = []
    const priority = new GeneratorPriority([way(log, false), way(log), way(log)])
    const letGo = priority.hold()
    expect(priority.kind).toBe('niceness')
    letGo()
    expect(log).toEqual(['refused', 'raised', 'undone'])
    const none = new GeneratorPriority([way([], false)])
    const letGoOfNone = none.hold()
    expect(none.kind).toBeNull()
    letGoOfNone()
  })

  test('that cannot be undone is tried to be undone again, and not raised twice', () => {
    let [raised, failures] = [0, 1]
    const undo = (): void => {
      if (failures-- > 0) throw new Error('not now')
    }
    const raise = (): (() => void) => (raised++, undo)
    const priority = new GeneratorPriority([{ kind: 'real time', raise }])
    priority.hold()()
    expect(priority.kind).toBe('real time')
    priority.hold()()
    expect(priority.kind).toBeNull()
    expect(raised).toBe(1)
  })
})

describe.runIf(process.platform === 'linux')('on this machine', () => {
  const during = async (
    load: Parameters<typeof runLoop>[0]['load'],
    sharesThread = false,
  ): Promise<{ kind: string | null; own: string | undefined; ofChild: string | undefined }> => {
    let seen: Awaited<ReturnType<typeof during>> | undefined
    const operation = async (): Promise<undefined> => {
      seen ??= {
        kind: generatorPriority.kind,
        own: policyNow(),
        ofChild: policyIn(execFileSync('cat', ['/proc/self/stat'], { encoding: 'latin1' })),
      }
      return undefined
    }
    await runLoop({ operation, load, warmupMs: 0, durationMs: 20, sharesThread })
    if (seen === undefined) throw new Error('no call was made')
    return seen
  }

  test('an open loop to other processes holds it while it runs; what it starts does not inherit it', async () => {
    const before = policyNow()
    const seen = await during({ loop: 'open', rateOpsPerSecond: 100 })
    expect(policyNow()).toBe(before)
    expect(generatorPriority.kind).toBeNull()
    expect(seen.ofChild).toBe(before)
    // Not every machine allows it: what is said is what is.
    expect(seen.own === before).toBe(seen.kind !== 'real time')
    expect(new Set(policies())).toEqual(new Set([before]))
  })

  test.each([
    ['a system in the same thread', { loop: 'open', rateOpsPerSecond: 100 }, true],
    ['callers that never wait', { loop: 'closed', concurrency: 1 }, false],
  ] as const)('%s does not go first', async (_, load, sharesThread) => {
    const before = policyNow()
    expect(await during(load, sharesThread)).toEqual({ kind: null, own: before, ofChild: before })
  })

  test('a loop that fails lets go of it', async () => {
    const before = policyNow()
    const signal = AbortSignal.timeout(5)
    const run = runLoop({
      operation: () => new Promise(() => undefined),
      load: { loop: 'open', rateOpsPerSecond: 100 },
      warmupMs: 0,
      durationMs: 60_000,
      signal,
    })
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' })
    expect([generatorPriority.kind, policyNow()]).toEqual([null, before])
  })
})
