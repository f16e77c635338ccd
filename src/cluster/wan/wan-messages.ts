/** What an emulated network's thread is told, and what it answers. */
import type { WireError } from '../../core/errors.ts'
import type { PartitionMode } from '../../drivers/transport/delay-proxy.ts'
import type { Address, LinkSpec } from './links.ts'
import type { Impairment } from './way.ts'

/** What the thread is started with. */
export interface WanThreadData {
  readonly seed: number
}

/** What it does. */
export type WanCall =
  | ({ readonly kind: 'open' } & LinkSpec)
  | { readonly kind: 'aim'; readonly link: string; readonly target: Address }
  | {
      readonly kind: 'impair'
      readonly from: string
      readonly to: string
      readonly oneWayMs: number
      readonly impairment: Impairment
    }
  | {
      readonly kind: 'partition'
      readonly a: string
      readonly b: string
      readonly mode: PartitionMode
    }
  | { readonly kind: 'heal'; readonly a: string; readonly b: string }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'close' }

/** To the thread. */
export interface WanRequest {
  readonly id: number
  readonly call: WanCall
}

/** From the thread; the answers come in any order. */
export type WanReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError }
