/** A region's copy of a log group, as an operator acts on it. */
import type { GroupPeerState } from './snapshot-messages.ts'
import type { SkipCall, SkipReport } from './skip-record.ts'

export interface OperatedGroup {
  readonly group: string
  peerState(): GroupPeerState
  /** @throws MeridianError as `LogGroup.orderReseed` */
  orderReseed(peers?: readonly string[]): void
  /** @throws MeridianError as `skipRecord` */
  skip(index: number, call: SkipCall): Promise<SkipReport>
}
