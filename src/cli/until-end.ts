/** How a command that serves waits for its end: a signal, or the end of what started it. */

/**
 * Resolves when `signal` aborts, or where `untilStdinEnds` when standard input does. Input that is
 * still open afterwards does not keep the process.
 */
export async function untilEnd(signal: AbortSignal, untilStdinEnds: boolean): Promise<void> {
  const { stdin } = process
  await new Promise<void>((resolve) => {
    const done = (): void => resolve()
    if (signal.aborted) done()
    signal.addEventListener('abort', done, { once: true })
    if (!untilStdinEnds) return
    stdin.once('end', done)
    stdin.once('close', done)
    stdin.resume()
  })
  if (untilStdinEnds) stdin.destroy()
}
