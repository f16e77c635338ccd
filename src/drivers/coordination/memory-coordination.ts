/**
 * Driver: roles among the parts of one process, for deployments without a server. A role passes on
 * when its holder gives it up: there is no lease that could run out, since what holds it and what
 * decides live and die together.
 */
import { MeridianError } from '../../core/errors.ts'
import type { Coordination, Leadership, RoleHolder } from '../../core/ports/coordination.ts'

/** Roles that several handles of one process share. */
export interface MemoryCoordination {
  /** The roles as one more node sees them. */
  handle(): Coordination
}

type OnHolder = (holder: RoleHolder | undefined) => void

interface Candidacy {
  readonly candidate: string
  /** Makes it the holder. */
  readonly win: (fence: number) => void
}

export function createMemoryCoordination(): MemoryCoordination {
  const roles = new Map<string, Role>()
  const roleOf = (name: string): Role => {
    let role = roles.get(name)
    if (role === undefined) {
      role = new Role()
      roles.set(name, role)
    }
    return role
  }
  return { handle: () => new Handle(roleOf) }
}

/** Who has a role and who waits for it. */
class Role {
  readonly #queue: Candidacy[] = []
  readonly #observers = new Set<OnHolder>()
  #lastFence = 0
  #holder: RoleHolder | undefined

  stand(candidacy: Candidacy): void {
    this.#queue.push(candidacy)
    if (this.#queue.length === 1) this.#next()
  }

  leave(candidacy: Candidacy): void {
    const at = this.#queue.indexOf(candidacy)
    if (at === -1) return
    this.#queue.splice(at, 1)
    if (at === 0) this.#next()
  }

  observe(onHolder: OnHolder): () => void {
    const observer: OnHolder = (holder) => onHolder(holder)
    this.#observers.add(observer)
    // Never inside the call that began it.
    void Promise.resolve().then(() => {
      if (this.#observers.has(observer)) observer(this.#holder)
    })
    return () => {
      this.#observers.delete(observer)
    }
  }

  #next(): void {
    const [first] = this.#queue
    if (first === undefined) this.#holder = undefined
    else {
      this.#lastFence += 1
      this.#holder = { candidate: first.candidate, fence: this.#lastFence }
      first.win(this.#lastFence)
    }
    for (const observer of this.#observers) observer(this.#holder)
  }
}

class Handle implements Coordination {
  readonly #roleOf: (name: string) => Role
  /** What ends with this handle. */
  readonly #ends = new Set<() => void>()
  #isClosed = false

  constructor(roleOf: (name: string) => Role) {
    this.#roleOf = roleOf
  }

  campaign(role: string, candidate: string, signal: AbortSignal): Promise<Leadership> {
    if (this.#isClosed) return Promise.reject(closedError())
    if (signal.aborted) return Promise.reject(cancelledError())
    return new Promise((resolve, reject) => {
      const shared = this.#roleOf(role)
      const giveUp = (error: MeridianError): void => {
        this.#ends.delete(onClose)
        signal.removeEventListener('abort', onAbort)
        shared.leave(candidacy)
        reject(error)
      }
      const onAbort = (): void => giveUp(cancelledError())
      const onClose = (): void => giveUp(closedError())
      const candidacy: Candidacy = {
        candidate,
        win: (fence) => {
          this.#ends.delete(onClose)
          signal.removeEventListener('abort', onAbort)
          resolve(this.#lead(fence, () => shared.leave(candidacy)))
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#ends.add(onClose)
      shared.stand(candidacy)
    })
  }

  observe(role: string, onHolder: OnHolder): () => void {
    if (this.#isClosed) throw closedError()
    const end = this.#roleOf(role).observe(onHolder)
    this.#ends.add(end)
    return () => {
      this.#ends.delete(end)
      end()
    }
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const end of this.#ends) end()
    this.#ends.clear()
    return Promise.resolve()
  }

  #lead(fence: number, leave: () => void): Leadership {
    const lost = new AbortController()
    const resign = (): void => {
      this.#ends.delete(resign)
      lost.abort()
      leave()
    }
    this.#ends.add(resign)
    return {
      fence,
      lost: lost.signal,
      isHeld: () => !lost.signal.aborted,
      resign: () => Promise.resolve(resign()),
    }
  }
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The roles of this process are closed.')
}

function cancelledError(): MeridianError {
  return new MeridianError('CANCELLED', 'Waiting for the role was given up.')
}
