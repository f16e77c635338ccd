/** A raw engine or another database that does the same work as Meridian, over the same network. */
import type { LoopOptions, Operation } from '../measure/loop.ts'

/** One kind of call to a peer, from one region. */
export interface PeerOperation {
  /** `transaction`, `linearizable read`, `point read`, `produce-consume`, `get`, … */
  readonly op: string
  readonly origin: string
  /** The region that the answer depends on; `null` for none. */
  readonly home: string | null
  /** What an acknowledgement means: `fsync on a majority`, `memory`, … */
  readonly durability: string
  /** What the topology alone costs. */
  readonly networkMs: number
  readonly operation: Operation
  /** How it is called where that is not open to choice. */
  readonly load?: LoopOptions['load']
  /** Whether its calls hold up the thread that makes them. */
  readonly sharesThread?: boolean
}

/** A peer that runs. */
export interface Peer {
  /** `etcd`, `libsql`, `kafka`, `redis`, `postgresql`, `cassandra`. */
  readonly name: string
  readonly version: string
  readonly operations: readonly PeerOperation[]
  close(): Promise<void>
}
