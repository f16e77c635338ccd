/** Asks the nodes of other regions where they are with a log group, and what their digests are. */
import { MeridianError } from '../../../src/core/errors.ts'
import type { Timers } from '../../../src/core/ports/runtime.ts'
import { ReseedChannel } from '../reseed-channel.ts'
import type { Seeding } from '../reseeder.ts'
import type { GroupPeerState } from '../snapshot-messages.ts'

const TIMEOUT_MS = 5_000

/** One region's answer. @throws MeridianError what it refuses with, `REGION_UNREACHABLE` */
async function askState(
  { transport, region }: Pick<Seeding, 'transport' | 'region'>,
  timers: Timers,
  peer: string,
  group: string,
): Promise<GroupPeerState> {
  const channel = new ReseedChannel(await transport.connect(peer, 'snapshot'), timers, TIMEOUT_MS)
  try {
    channel.send({ kind: 'ask', region, group })
    const { message } = await channel.next()
    if (message.kind === 'state') return message
    throw new MeridianError('PROTOCOL_MALFORMED', 'The peer speaks out of turn.')
  } finally {
    channel.close()
  }
}

/** What every other region answers; an error where it gives none. */
export async function askStates(
  seeding: Pick<Seeding, 'transport' | 'region' | 'peers'>,
  timers: Timers,
  group: string,
): Promise<ReadonlyMap<string, GroupPeerState | Error>> {
  const answers = await Promise.all(
    seeding.peers.map((peer) =>
      askState(seeding, timers, peer, group).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      ),
    ),
  )
  return new Map(seeding.peers.map((peer, i) => [peer, answers[i] as GroupPeerState | Error]))
}
