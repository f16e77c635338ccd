/** Writes of every mode, several at once, until they are told to stop. */
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { increment, MeridianError } from '../../../src/client/index.ts'
import { TENANT } from './deployment.ts'
import { MODES, notesOf, type Journal, type Mode } from './journal.ts'
import type { NotesDatabase } from './schema.ts'

/** Writers of each mode: the commits of some of them are shared. */
const WRITERS = 4
const DEADLINE_MS = 15_000
const REPEAT_PAUSE_MS = 20
const REPEATS_MS = 120_000

/** Sends a write, or sends it again: it takes effect once. @throws MeridianError */
async function send(
  db: NotesDatabase,
  { seed }: Journal,
  mode: Mode,
  write: number,
  signal?: AbortSignal,
): Promise<void> {
  const notes = notesOf(seed, mode, write)
  const bounds = { deadlineMs: DEADLINE_MS, ...(signal === undefined ? {} : { signal }) }
  const options = { idempotencyKey: `${mode}-${write}`, ...bounds }
  const there = db.tenant(TENANT)
  const one = { writes: increment(1) }
  if (mode === 'strong') {
    await db.transaction(
      mode,
      (tx) => {
        tx.strongNotes.insertMany(notes)
        tx.strongSums.update('all', one)
      },
      options,
    )
  } else if (mode === 'pinned') {
    await there.transaction(
      mode,
      (tx) => {
        tx.pinnedNotes.insertMany(notes)
        tx.pinnedSums.update('all', one)
      },
      options,
    )
  } else {
    await there.transaction(
      mode,
      (tx) => {
        tx.eventualNotes.insertMany(notes)
        tx.eventualSums.update('all', one)
      },
      options,
    )
  }
}

/** Sends every write whose outcome is not known again, until it is. @throws MeridianError */
export async function repeatOpen(db: NotesDatabase, journal: Journal): Promise<void> {
  for (const mode of MODES) {
    await Promise.all(
      [...journal.open(mode)].map(async (write) => {
        await repeat(() => send(db, journal, mode, write))
        journal.acknowledge(mode, write)
      }),
    )
  }
}

/** Calls again while the failure allows it. @throws the failure that does not, or the last */
async function repeat(call: () => Promise<void>, isOver = (): boolean => false): Promise<void> {
  const deadlineMs = performance.now() + REPEATS_MS
  for (;;) {
    try {
      await call()
      return
    } catch (error) {
      const mayRepeat = error instanceof MeridianError && error.retry !== 'never' && !isOver()
      if (!mayRepeat || performance.now() > deadlineMs) throw error
    }
    await pause(REPEAT_PAUSE_MS)
  }
}

/** Running writers. */
export class Load {
  readonly #db: NotesDatabase
  readonly #journal: Journal
  readonly #end = new AbortController()
  readonly #running: Promise<unknown>
  #mayFail = false
  #isOver = false
  #onAcknowledged: () => void = () => undefined

  constructor(db: NotesDatabase, journal: Journal) {
    this.#db = db
    this.#journal = journal
    // Every call in flight listens.
    setMaxListeners(0, this.#end.signal)
    this.#running = Promise.all(
      MODES.flatMap((mode) => Array.from({ length: WRITERS }, () => this.#work(mode))),
    )
    // Who waits hears of it.
    this.#running.catch(() => undefined)
  }

  /** Resolves once so many more writes of each mode were acknowledged. @throws what a writer met */
  async further(count: number): Promise<void> {
    const goals = MODES.map((mode) => this.#journal.acknowledged(mode).size + count)
    const reached = new Promise<void>((resolve) => {
      this.#onAcknowledged = () => {
        const isThere = MODES.every(
          (mode, i) => this.#journal.acknowledged(mode).size >= (goals[i] ?? 0),
        )
        if (isThere) resolve()
      }
    })
    await Promise.race([reached, this.#running])
  }

  /** The power is about to go: writers go on, and one that fails says nothing of it. */
  allowFailures(): void {
    this.#mayFail = true
  }

  /** Gives up what is not answered: its outcome is not known. */
  async end(): Promise<void> {
    this.#isOver = true
    this.#end.abort()
    await this.#running
  }

  async #work(mode: Mode): Promise<void> {
    while (!this.#isOver) {
      const write = this.#journal.begin(mode)
      try {
        await repeat(
          () => send(this.#db, this.#journal, mode, write, this.#end.signal),
          () => this.#isOver,
        )
      } catch (error) {
        if (this.#mayFail && error instanceof MeridianError) return
        throw error
      }
      this.#journal.acknowledge(mode, write)
      this.#onAcknowledged()
    }
  }
}
