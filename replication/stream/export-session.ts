/** The source's side of one channel: pushes changes to the region that subscribed. */
import type { Change } from '../../src/core/change.ts'
import { asMeridianError, MeridianError, toWireError } from '../../src/core/errors.ts'
import type { Hlc } from '../../src/core/hlc.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { Channel } from '../../src/core/ports/transport.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { isOwn, selectFor, type FilterRules, type MayReplicate } from './export-filter.ts'
import type { StreamFaults } from './faults.ts'
import {
  decodeImporterMessage,
  encodeExporterMessage,
  type ExporterMessage,
  type ImporterMessage,
  type SchemaMark,
} from './messages.ts'

const READ_CHANGES = 1000
/** A message beyond this is split, where it holds more than one transaction. */
const SPLIT_BYTES = 1024 * 1024
/** A longer skipped range is told at once, so that a reader's restart need not scan it again. */
const MAX_UNTOLD_CHANGES = 5000

/** What sessions of one exporter share. */
export interface ExportContext {
  readonly feed: ChangeFeed
  readonly schema: CompiledSchema
  /** The regions that may subscribe. */
  readonly regions: readonly string[]
  /** Those of them that the caller is; undefined: it is trusted to be any. */
  readonly callerRegions: readonly string[] | undefined
  readonly mayReplicate: MayReplicate
  /** The end that a probe is answered with. */
  readonly readEnd: () => Promise<number>
  readonly faults: StreamFaults
  /** The region's store holds everything up to `position` durably. */
  readonly onDurable: (region: string, position: number) => void
}

export class ExportSession {
  readonly #context: ExportContext
  readonly #channel: Channel
  #rules: FilterRules | undefined
  #credit = 0
  /** Up to here the feed was read; up to `sent` the region was told. */
  #scanned = 0
  #sent = 0
  #hlc: Hlc | null = null
  /** The end that a probe was answered with: the region waits for it. */
  #probedEnd = 0
  #isWoken = false
  #isPumping = false
  #isClosed = false
  #error: MeridianError | null = null

  constructor(context: ExportContext, channel: Channel, onClose: (session: ExportSession) => void) {
    this.#context = context
    this.#channel = channel
    channel.onMessage((bytes) => {
      this.#receive(bytes).catch((error: unknown) => this.#fail(error))
    })
    channel.onClose(() => {
      this.#isClosed = true
      onClose(this)
    })
  }

  /** The region at the other end; undefined before it subscribed. */
  get region(): string | undefined {
    return this.#rules?.region
  }

  /** The position up to which the region was told. */
  get sent(): number {
    return this.#sent
  }

  get error(): MeridianError | null {
    return this.#error
  }

  /** There may be something to send. */
  wake(): void {
    if (this.#rules === undefined) return
    this.#isWoken = true
    if (!this.#isPumping) this.#pump().catch((error: unknown) => this.#fail(error))
  }

  close(): void {
    this.#isClosed = true
    this.#channel.close()
  }

  async #receive(bytes: Uint8Array): Promise<void> {
    const message = decodeImporterMessage(bytes)
    if (message.kind === 'subscribe') return this.#subscribe(message)
    if (this.#rules === undefined) {
      throw new MeridianError('PROTOCOL_MALFORMED', 'A channel must subscribe first.')
    }
    if (message.kind === 'probe') return this.#answer(message.id)
    this.#context.onDurable(this.#rules.region, message.position)
    this.#credit += message.credit
    this.wake()
  }

  async #subscribe(message: ImporterMessage & { kind: 'subscribe' }): Promise<void> {
    const { feed, schema, regions, callerRegions, mayReplicate, faults } = this.#context
    const { region } = message
    if (callerRegions !== undefined && !callerRegions.includes(region)) {
      throw new MeridianError('PERMISSION_DENIED', `The caller is not a node of ${region}.`, {
        fix: 'A node subscribes for its own region, with its own key.',
      })
    }
    if (!regions.includes(region)) {
      throw new MeridianError('REGION_UNKNOWN', `Region ${region} may not subscribe here.`, {
        fix: 'Add the region to the topology of every region.',
      })
    }
    requireSameSchema(schema, region, message.schema)
    const position = startPosition(feed.source, message.positions)
    const end = await feed.end()
    this.#scanned = position
    this.#sent = position
    this.#credit = message.credit
    this.#rules = { source: feed.source, schema, region, mayReplicate, faults }
    this.#context.onDurable(region, position)
    this.#send({ kind: 'accept', source: feed.source, position, end })
    this.wake()
  }

  async #answer(id: number): Promise<void> {
    const end = await this.#context.readEnd()
    this.#probedEnd = Math.max(this.#probedEnd, end)
    this.#send({ kind: 'answer', id, end, sent: this.#sent })
    if (end !== this.#scanned) this.wake()
    // All is read: what was skipped is told without a further look at the store.
    else if (this.#credit > 0 && !this.#isClosed) this.#advance()
  }

  async #pump(): Promise<void> {
    this.#isPumping = true
    try {
      while (this.#isWoken) {
        this.#isWoken = false
        while (this.#credit > 0 && !this.#isClosed && (await this.#pushNext()));
      }
    } finally {
      this.#isPumping = false
    }
  }

  /** Sends the next range, or skips it. Resolves to whether there may be more. */
  async #pushNext(): Promise<boolean> {
    const rules = this.#rules as FilterRules
    const changes = await this.#context.feed.read(this.#scanned, READ_CHANGES)
    const last = changes.at(-1)
    if (last === undefined) {
      // A skipped range costs a message: it is told when the region asks, by its probes.
      if (this.#sent < this.#probedEnd) this.#advance()
      return false
    }
    const selected = await selectFor(rules, changes)
    if (this.#isClosed) return false
    // Own stamps rise with localSeq; imported ones are other stores'.
    this.#hlc = changes.findLast((change) => isOwn(rules, change))?.hlc ?? this.#hlc
    this.#scanned = last.localSeq
    if (selected.length > 0) this.#sendChanges(selected, this.#scanned)
    else if (this.#scanned - this.#sent > MAX_UNTOLD_CHANGES) this.#advance()
    return true
  }

  /** Tells the region that it has everything up to what was scanned. */
  #advance(): void {
    if (this.#sent < this.#scanned) this.#sendChanges([], this.#scanned)
  }

  #sendChanges(changes: readonly Change[], position: number): void {
    const bytes = encodeExporterMessage({
      kind: 'batch',
      previous: this.#sent,
      position,
      // Only the last part of a split range has everything below the HLC.
      hlc: position === this.#scanned ? this.#hlc : null,
      imports: null,
      changes,
    })
    const cut = bytes.length > SPLIT_BYTES ? middleBoundary(changes) : 0
    if (cut > 0) {
      this.#sendChanges(changes.slice(0, cut), changes[cut - 1]?.localSeq ?? position)
      this.#sendChanges(changes.slice(cut), position)
      return
    }
    this.#credit -= bytes.length
    this.#sent = position
    this.#channel.send(bytes)
  }

  #send(message: ExporterMessage): void {
    this.#channel.send(encodeExporterMessage(message))
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return
    this.#error = asMeridianError(error)
    this.#send({ kind: 'refuse', error: toWireError(error) })
    this.close()
  }
}

/**
 * Of one version yet different: the regions do not mean the same by the same ids.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE`
 */
function requireSameSchema(own: SchemaMark, region: string, other: SchemaMark | null): void {
  if (other?.version !== own.version || other.fingerprint === own.fingerprint) return
  throw new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `The schema of region ${region} is not this region's, though both have version ${own.version}.`,
    { fix: 'Give every node the same schema and the same `meridian.lock.json`.' },
  )
}

/** @throws MeridianError `POSITION_LOST` when the region followed another life of this store */
function startPosition(source: string, positions: readonly (readonly [string, number])[]): number {
  const known = positions.find(([name]) => name === source)
  if (known !== undefined) return known[1]
  if (positions.length === 0) return 0
  throw new MeridianError(
    'POSITION_LOST',
    `The store is ${source} now; the region followed ${positions.map(([name]) => name).join(', ')}.`,
    { fix: 'Reseed the region from the new store.', details: { source } },
  )
}

/** The transaction boundary nearest to the middle; 0 when there is one transaction. */
function middleBoundary(changes: readonly Change[]): number {
  const middle = Math.floor(changes.length / 2)
  for (let at = middle; at > 0; at--) if (changes[at]?.index === 0) return at
  return Math.max(
    0,
    changes.findIndex((change, at) => at > middle && change.index === 0),
  )
}
