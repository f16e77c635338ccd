/** The clock and the timers of a loop, as a port: tests let time pass themselves. */

/** Time as a loop sees it. */
export interface LoopTime {
  /** Milliseconds that never go back, with fractions. */
  nowMs(): number
  /** Calls back once, about `delayMs` later: whole milliseconds count. Ends with the function returned. */
  after(delayMs: number, callback: () => void): () => void
  /** Calls back in the next turn of the event loop, after what has arrived by then. */
  nextTurn(callback: () => void): void
}

/** The time of this process. Its timers keep the process alive. */
export const systemTime: LoopTime = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
  nextTurn: (callback) => {
    setImmediate(callback)
  },
}

/** Waits; an aborted signal ends it early, without an error. */
export async function pause(time: LoopTime, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = time.after(delayMs, done)
    signal?.addEventListener('abort', done)
  })
}

/** Lets the event loop turn once. */
export function turn(time: LoopTime): Promise<void> {
  return new Promise((resolve) => time.nextTurn(resolve))
}
