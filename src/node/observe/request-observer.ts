/** Hooks around the work of a request: what counts it and what traces it see it here. */
import type { Request } from '../../protocol/messages.ts'
import type { Consistency } from '../../schema/compiled.ts'

/**
 * Runs the work of a request, perhaps with another trace context in its header, and passes on what
 * comes of it.
 */
export type RequestObserver = <T>(
  request: Request,
  work: (request: Request) => Promise<T>,
) => Promise<T>

/** Told of a transaction that was committed here, and of the region that its caller says it is in. */
export type OnCommit = (mode: Consistency, clientRegion: string) => void

/** Watches nothing. */
export const unobserved: RequestObserver = (request, work) => work(request)

/** All of them, the first one outermost. */
export function composeObservers(...observers: readonly RequestObserver[]): RequestObserver {
  return observers.reduceRight(
    (inner, outer) => (request, work) => outer(request, (seen) => inner(seen, work)),
    unobserved,
  )
}
