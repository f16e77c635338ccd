/** Port: who does a role, decided between processes by leases. */

/** A role that this process holds. */
export interface Leadership {
  /** Grows with every holder of the role: what is written under a lower one is refused. */
  readonly fence: number
  /** Aborted once the role may have passed to another. */
  readonly lost: AbortSignal
  /**
   * Whether the lease surely still runs, by the boot clock counted from before its last renewal
   * was sent, less drift. A pause of the process shows here before any message does.
   */
  isHeld(): boolean
  /** Gives the role up at once. Harmless when it is lost. */
  resign(): Promise<void>
}

/** Who holds a role, as others see it. */
export interface RoleHolder {
  /** What the holder said of itself when it stood for the role: its address, for example. */
  readonly candidate: string
  readonly fence: number
}

/** Leases, elections and fences, linearizable across all processes of a deployment. */
export interface Coordination {
  /**
   * Stands for a role and resolves once this process holds it; the first that asked comes first.
   * `signal` gives up waiting (`CANCELLED`).
   *
   * @throws MeridianError `CANCELLED`, `CLOSED`; what is unreachable is waited for
   */
  campaign(role: string, candidate: string, signal: AbortSignal): Promise<Leadership>

  /** Tells who holds a role, at once and at every change. Returns the end of telling. */
  observe(role: string, onHolder: (holder: RoleHolder | undefined) => void): () => void

  /** Resigns every role. */
  close(): Promise<void>
}
