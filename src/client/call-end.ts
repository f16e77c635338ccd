/**
 * The end of a call that failed: what is under way for it is aborted then. Its signal is made for
 * those who ask for it, since making one costs more than an in-process read does otherwise.
 */
export class CallEnd {
  #controller: AbortController | undefined
  #failure: { readonly reason: unknown } | undefined
  readonly #parts = new Set<CallEnd>()

  /** Aborts when the call fails. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#failure !== undefined) this.#controller.abort(this.#failure.reason)
    }
    return this.#controller.signal
  }

  /** The end of a part of the call, which fails with it, and may fail before. */
  part(): CallEnd {
    const part = new CallEnd()
    if (this.#failure !== undefined) part.fail(this.#failure.reason)
    this.#parts.add(part)
    return part
  }

  /** The call has failed. The first reason stays. */
  fail(reason: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { reason }
    this.#controller?.abort(reason)
    for (const part of this.#parts) part.fail(reason)
  }
}
