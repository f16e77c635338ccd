/** What asking a running engine gives: whether it answers, what it is, and what is wrong with it. */
import { asMeridianError } from '../../../core/errors.ts'

/** An engine that was asked. */
export interface Probe {
  /** What it is for: `etcd`, `Kafka of eu-west`. */
  readonly engine: string
  readonly address: string
  readonly isReachable: boolean
  /** What it says of itself; of one that is not reachable, why. */
  readonly says: string
  /** What cannot work. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/** What an engine said. */
export interface Answer {
  readonly says: string
  readonly problems?: readonly string[]
  readonly warnings?: readonly string[]
}

/** How long an engine may take to answer. */
export const PROBE_TIMEOUT_MS = 10_000

/** Asks, and makes an answer of a failure. */
export async function probe(
  engine: string,
  address: string,
  ask: () => Promise<Answer>,
): Promise<Probe> {
  try {
    const { says, problems = [], warnings = [] } = await withinTime(ask())
    return { engine, address, isReachable: true, says, problems, warnings }
  } catch (error) {
    const says = reasonOf(error)
    return { engine, address, isReachable: false, says, problems: [says], warnings: [] }
  }
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const failure = new Error(`no answer within ${PROBE_TIMEOUT_MS / 1000} s`)
    timer = setTimeout(() => reject(failure), PROBE_TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The first line of what went wrong; of a typed error its code, too. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0])
  const typed = asMeridianError(error)
  const text = error instanceof Error ? error.message : String(error)
  // What gRPC adds is for its own users.
  const line = (text.split(/\n|Resolution note:/, 1)[0] ?? '').trim() || 'it gives no answer'
  return typed.code === 'INTERNAL' ? line : `${typed.code}: ${line}`
}
