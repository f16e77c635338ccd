/** Appends that go on whatever happens, and what came of them. */
import { isErrorCode } from '../../../../src/core/errors.ts'
import type { CommitLog, LogEntry } from '../../../../src/core/ports/commit-log.ts'
import { setTimeout as pause } from 'node:timers/promises'

/** Several writers of one group. */
export interface Writers {
  /** Index by id, of all that were acknowledged. */
  readonly acknowledged: Map<string, number>
  /** Lets each finish the append that it is at. */
  stop(): Promise<void>
}

/** Each appends one record after the other, and again under the same id until it is acknowledged. */
export function startWriters(log: CommitLog, group: string, count: number): Writers {
  const acknowledged = new Map<string, number>()
  let isStopped = false
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; !isStopped; i++) {
      const id = `${writer}-${i}`
      acknowledged.set(id, await appendUntilKnown(log, group, id))
    }
  }
  const running = Array.from({ length: count }, (_, writer) => write(writer))
  return {
    acknowledged,
    stop: async () => {
      isStopped = true
      await Promise.all(running)
    },
  }
}

async function appendUntilKnown(log: CommitLog, group: string, id: string): Promise<number> {
  for (;;) {
    try {
      return await log.append(group, id, Buffer.from(id))
    } catch (error) {
      if (!isErrorCode(error, 'LOG_UNAVAILABLE', 'LOG_FULL')) throw error
      await pause(20)
    }
  }
}

/** What is wrong with what a tail saw of them: nothing. */
export function problemsIn(
  entries: readonly LogEntry[],
  acknowledged: ReadonlyMap<string, number>,
): readonly string[] {
  const indexById = new Map(entries.map(({ id, index }) => [id, index]))
  return [
    ...entries.flatMap(({ index }, i) => (index === i + 1 ? [] : [`${index} at place ${i + 1}`])),
    ...(indexById.size === entries.length ? [] : ['an id came twice']),
    ...Array.from(acknowledged).flatMap(([id, index]) =>
      indexById.get(id) === index ? [] : [`${id} was acknowledged at ${index}`],
    ),
  ]
}
