/**
 * Whether the thread that makes calls goes before the processes that it calls. A generator usually
 * has a machine of its own; here it shares one with all of them, and would begin calls late and read
 * answers late whenever they are busy.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** How it goes first. `real time`: before all others. `niceness`: it weighs more than they do. */
export type PriorityKind = 'real time' | 'niceness'

/** A way to let the calling thread go first. */
export interface PriorityWay {
  readonly kind: PriorityKind
  /** Returns what undoes it; `undefined` where the system does not allow it. */
  raise(): (() => void) | undefined
}

const NICENESS = -10
const TIMEOUT_MS = 5_000
const OWN_THREAD = '/proc/thread-self'
const THREADS = '/proc/self/task'
/** Of the fields of a thread's `stat` after the program's name; 0 is the usual policy. */
const POLICY_FIELD = 38
const USUAL_POLICY = 0
const AUTOGROUP = '/proc/sys/kernel/sched_autogroup_enabled'

/** Goes first while it is held, by however many loops; afterwards all is as it was. */
export class GeneratorPriority {
  readonly #ways: readonly PriorityWay[]
  #holders = 0
  #undo: (() => void) | undefined
  #kind: PriorityKind | null = null

  constructor(ways: readonly PriorityWay[] = SYSTEM_WAYS) {
    this.#ways = ways
  }

  /** How the thread goes first at present; `null`: it does not. */
  get kind(): PriorityKind | null {
    return this.#kind
  }

  /** Lets the calling thread go first until the function returned is called. Never throws. */
  hold(): () => void {
    if (this.#holders++ === 0) this.#raise()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      if (--this.#holders === 0) this.#letGo()
    }
  }

  #letGo(): void {
    try {
      this.#undo?.()
      this.#undo = undefined
      this.#kind = null
    } catch {
      // It still goes first, until the next one that lets go.
    }
  }

  #raise(): void {
    if (this.#undo !== undefined) return
    for (const way of this.#ways) {
      this.#undo = way.raise()
      if (this.#undo === undefined) continue
      this.#kind = way.kind
      return
    }
  }
}

/**
 * Linux lets root do it. All threads of the process: those that make calls wait for those that
 * collect garbage. What they start meanwhile does not go first.
 */
const realTime: PriorityWay = {
  kind: 'real time',
  raise() {
    // Whoever runs this under another policy has a reason; so have threads that go first already.
    const usual = threadsOfUsualPolicy()
    if (policyOf(OWN_THREAD) !== USUAL_POLICY) return undefined
    try {
      run('chrt', '--all-tasks', '--reset-on-fork', '--rr', '--pid', '1', `${process.pid}`)
    } catch {
      letGo(usual)
      return undefined
    }
    return () => {
      letGo(usual)
      if (policyOf(OWN_THREAD) !== USUAL_POLICY) throw new Error('The thread goes first still.')
    }
  },
}

/** Those that are gone need nothing. */
function letGo(threads: readonly string[]): void {
  const each = 'for id; do chrt --other --pid 0 "$id"; done; true'
  try {
    run('sh', '-c', each, 'sh', ...threads)
  } catch {
    // Whether it was done is looked at by whoever depends on it.
  }
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'ignore', timeout: TIMEOUT_MS })
}

/** Processes that are started meanwhile inherit it: none should be. */
const niceness: PriorityWay = {
  kind: 'niceness',
  raise() {
    // Linux may weigh it within a session only, and engines have sessions of their own.
    if (weighsWithinSessions()) return undefined
    try {
      const before = getPriority()
      if (before <= NICENESS) return undefined
      setPriority(NICENESS)
      return () => setPriority(before)
    } catch {
      return undefined
    }
  },
}

const SYSTEM_WAYS: readonly PriorityWay[] = [realTime, niceness]

/** That of this process's thread that makes calls. */
export const generatorPriority = new GeneratorPriority()

function threadsOfUsualPolicy(): readonly string[] {
  try {
    const threads = readdirSync(THREADS)
    return threads.filter((id) => policyOf(`${THREADS}/${id}`) === USUAL_POLICY)
  } catch {
    return []
  }
}

function policyOf(thread: string): number | undefined {
  try {
    const line = readFileSync(`${thread}/stat`, 'latin1')
    const fields = line
      .slice(line.lastIndexOf(')') + 1)
      .trim()
      .split(' ')
    return Number(fields[POLICY_FIELD])
  } catch {
    return undefined
  }
}

function weighsWithinSessions(): boolean {
  try {
    return readFileSync(AUTOGROUP, 'latin1').trim() === '1'
  } catch {
    return false
  }
}
