/** Hooks around the work of a request: what counts it and what traces it see it here. */
import type { Request } from '../../protocol/messages.ts'

/**
 * Runs the work of a request, perhaps with another trace context in its header, and passes on what
 * comes of it.
 */
export type RequestObserver = <T>(
  request: Request,
  work: (request: Request) => Promise<T>,
) => Promise<T>

/** Watches nothing. */
export const unobserved: RequestObserver = (request, work) => work(request)

/** All of them, the first one outermost. */
export function composeObservers(...observers: readonly RequestObserver[]): RequestObserver {
  return observers.reduceRight(
    (inner, outer) => (request, work) => outer(request, (seen) => inner(seen, work)),
    unobserved,
  )
}
