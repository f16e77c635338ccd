/** One watch of keys over one stream, until it ends for whatever reason. */
import type { IEvent, IWatchResponse } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import { EtcdCallError, STATUS } from './etcd-errors.ts'

/** What is watched, and from when on. */
export interface WatchRequest {
  readonly key: Buffer
  readonly range_end?: Buffer
  /** From now on when there is none. */
  readonly start_revision?: number
}

/** Why a watch ended. */
export type WatchEnd =
  | { readonly reason: 'broken'; readonly error: unknown }
  /** What was asked for is gone. */
  | { readonly reason: 'compacted'; readonly compactRevision: number }

/** What a watch tells; `onEnd` once, and nothing after it. */
export interface WatchHandlers {
  /** The watch stands: what happens from now on is seen. */
  readonly onCreated: () => void
  readonly onEvents: (events: readonly IEvent[]) => void
  readonly onEnd: (end: WatchEnd) => void
}

/** A running watch. */
export interface Watch {
  /** No handler runs any more. */
  cancel(): void
}

export function openWatch(
  connection: EtcdConnection,
  request: WatchRequest,
  handlers: WatchHandlers,
): Watch {
  let isOver = false
  const end = (why: WatchEnd): void => {
    if (isOver) return
    isOver = true
    stream.cancel()
    handlers.onEnd(why)
  }
  const receive = (response: IWatchResponse): void => {
    connection.checkCluster(response)
    if (response.canceled) {
      end(endOf(response, connection))
      return
    }
    if (response.created) handlers.onCreated()
    if (response.events.length > 0 && !isOver) handlers.onEvents(response.events)
  }
  const stream = connection.open<IWatchResponse>('Watch', 'watch', {
    onData: (response) => {
      if (isOver) return
      try {
        receive(response)
      } catch (error) {
        end({ reason: 'broken', error })
      }
    },
    onEnd: (error) => end({ reason: 'broken', error }),
  })
  // In pieces: else etcd sends a thousand revisions in one message when a reader is far behind.
  stream.write({ create_request: { ...request, fragment: true } })
  return {
    cancel: () => {
      isOver = true
      stream.cancel()
    },
  }
}

function endOf(response: IWatchResponse, connection: EtcdConnection): WatchEnd {
  const compactRevision = Number(response.compact_revision)
  if (compactRevision > 0) return { reason: 'compacted', compactRevision }
  const reason = response.cancel_reason || 'The watch was cancelled.'
  // An expired token shows as a missing permission here.
  if (/permission denied|auth/i.test(reason)) connection.forgetTokens()
  const address = connection.addresses.join(', ')
  return { reason: 'broken', error: new EtcdCallError(STATUS.unavailable, reason, address) }
}
