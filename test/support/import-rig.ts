/** An importer of `eu` whose source is the test, on a store of its own and by a clock of its own. */
import { onTestFinished } from 'vitest'
import type { MaySend } from '../../replication/stream/import-filter.ts'
import type { ChangeAppliers } from '../../replication/stream/import-writer.ts'
import { createImporter, type Importer } from '../../replication/stream/importer.ts'
import {
  decodeImporterMessage,
  encodeExporterMessage,
  type ExporterMessage,
  type ImporterMessage,
  type StreamBatch,
} from '../../replication/stream/messages.ts'
import type { KeepTimer } from '../../replication/stream/keep-timer.ts'
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { formatHlc } from '../../src/core/hlc.ts'
import type { Transport } from '../../src/core/ports/transport.ts'
import { channelPair, type TestEnd } from './channel-pair.ts'
import { ManualRuntime, turns } from './manual-runtime.ts'
import { ORDERS, streamSchema, testAppliers } from './stream-schema.ts'
import { openTestStore, type FeedStore } from './test-store.ts'

/** The store that the test plays. */
export const SOURCE = 'us.0001'

/** The importer and what the test does to it. */
export interface ImportRig {
  readonly target: FeedStore
  readonly importer: Importer
  readonly runtime: ManualRuntime
  /** Connections that the importer opened. */
  connections(): number
  isUnreachable: boolean
  /** What ended the stream, each time. */
  readonly stops: MeridianError[]
  /** What it said to have reached, in order. */
  readonly reached: (readonly [source: string, position: number])[]
  say(...messages: readonly ExporterMessage[]): Promise<void>
  heard(): Promise<ImporterMessage[]>
  peer(): TestEnd
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
}

/** One that has subscribed and waits to be accepted; `beside`: on the store and clock of another. */
export async function openRig(
  appliers: ChangeAppliers = testAppliers(),
  maySend?: MaySend,
  beside?: { readonly of: ImportRig; readonly from: string; readonly keepTimer: KeepTimer },
): Promise<ImportRig> {
  const target = beside?.of.target ?? (await openTestStore('eu'))
  const runtime = beside?.of.runtime ?? new ManualRuntime()
  const from = beside?.from ?? 'us'
  const peers: TestEnd[] = []
  const transport: Transport = {
    request: () => Promise.reject(new Error('No requests here.')),
    connect: () => {
      if (rig.isUnreachable) {
        return Promise.reject(new MeridianError('REGION_UNREACHABLE', 'No link.'))
      }
      const { channel, peer } = channelPair()
      peers.push(peer)
      return Promise.resolve(channel)
    },
  }
  const importer = createImporter({
    region: 'eu',
    from,
    transport,
    store: target.store,
    schema: streamSchema,
    storeClock: target.storeClock,
    runtime,
    appliers,
    onStopped: (error) => rig.stops.push(error),
    onReached: (source, position) => rig.reached.push([source, position]),
    ...(maySend === undefined ? {} : { maySend }),
    ...(beside === undefined ? {} : { keepTimer: beside.keepTimer }),
  })
  onTestFinished(() => importer.stop())
  const peer = (): TestEnd => peers.at(-1) as TestEnd
  const rig: ImportRig = {
    target,
    importer,
    runtime,
    connections: () => peers.length,
    isUnreachable: false,
    stops: [],
    reached: [],
    say: async (...messages) => {
      for (const message of messages) peer().send(encodeExporterMessage(message))
      await turns()
    },
    heard: async () => {
      await turns()
      return peer().received.splice(0).map(decodeImporterMessage)
    },
    peer,
    rows: async (sql) => {
      const [result] = await target.store.read([{ sql, args: [] }])
      return result?.rows ?? []
    },
  }
  await importer.start()
  await turns()
  return rig
}

/** One that was accepted at 0; what it said so far is read. */
export async function openSubscribed(appliers?: ChangeAppliers): Promise<ImportRig> {
  const rig = await openRig(appliers)
  await rig.say(accept(0))
  await rig.heard()
  return rig
}

export function accept(position: number, source = SOURCE): ExporterMessage {
  return { kind: 'accept', source, position, end: position }
}

/** An insertion of order `o<seq>`. */
export function change(seq: number, overrides: Partial<Change> = {}): Change {
  const hlc = formatHlc(1_700_000_000_000 - 1000 + seq, 0)
  return {
    localSeq: seq,
    origin: { source: SOURCE, epoch: 1, seq },
    txId: `tx-${seq}`,
    index: 0,
    size: 1,
    hlc,
    schemaVersion: streamSchema.version,
    cause: 'user',
    tableId: ORDERS.id,
    op: 'insert',
    tenant: 'acme',
    key: [`o${seq}`],
    before: null,
    after: [`o${seq}`, 'x', 1],
    version: `00000001.${hlc}`,
    delta: null,
    ...overrides,
  }
}

/** From `previous` to the last of the changes. */
export function batch(previous: number, ...changes: readonly Change[]): StreamBatch {
  const position = changes.at(-1)?.localSeq ?? previous
  const hlc = changes.at(-1)?.hlc ?? null
  return { kind: 'batch', previous, position, hlc, imports: null, changes }
}

/** What the store says of its sources. */
export const POSITIONS = 'SELECT source, seq FROM _positions'
