/**
 * How a client reaches nodes: over links that lose things, with its own deadline, through another region
 * when it has no answer, under the same idempotency key while it cannot know.
 */
import { isErrorCode } from '../../../src/core/errors.ts'
import type { ErrorCode } from '../../../src/core/errors.ts'
import type { ReadCheck, WriteOp } from '../../../src/core/operations.ts'
import type { ListQuery } from '../../../src/core/list-query.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { StoredRow } from '../../../src/sql/select.ts'
import type { CompiledTable } from '../../../src/schema/compiled.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import type { SimNetwork } from '../world/network.ts'
import type { World } from '../world/world.ts'
import type { Recorder, SentTransaction } from './history.ts'
import type { NodeAnswer, NodeRequest, SimRegion } from './region.ts'

/** What a session is made of. */
export interface SessionParts {
  readonly id: string
  readonly home: SimRegion
  readonly regions: readonly SimRegion[]
  readonly world: World
  readonly network: SimNetwork
  readonly random: SeededRandom
  readonly recorder: Recorder
  readonly timeoutMs: number
  readonly maxAttempts: number
}

/** A transaction as a client builds it. */
export interface Draft {
  readonly tenant: string
  readonly ops: readonly WriteOp[]
  readonly reads: readonly ReadCheck[]
  /** The index of the rows that it was made from; what the session knows where left out. */
  readonly basis?: number
  /** Its key where it is the next run of one that met a conflict. */
  readonly idempotencyKey?: string
}

/** What became of it. */
export type Result =
  | { readonly kind: 'committed'; readonly index: number; readonly updated: readonly SqlRow[] }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly idempotencyKey: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

/** Answers that say what became of a transaction, and always will. */
const DECIDED: readonly ErrorCode[] = [
  'CONFLICT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'CONDITION_FAILED',
  'CONSTRAINT_VIOLATED',
]
const PAUSE_MS = 150
const MAX_MESSAGE_LENGTH = 2_000

export class Session {
  readonly #parts: SessionParts
  #made = 0
  /** The highest index that this client was told of. */
  #known = 0

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Rows of one moment; undefined where no region gave them. */
  async read(
    level: 'strong' | 'local',
    ids: readonly string[],
  ): Promise<{ readonly index: number; readonly rows: readonly SqlRow[] } | undefined> {
    const { recorder, timeoutMs } = this.#parts
    const [floor, began] = [recorder.floor(), recorder.moment()]
    const answer = await this.#ask('rows', { kind: 'read', level, ids, timeoutMs })
    if (answer === undefined) return undefined
    const { index, rows } = answer
    recorder.seen.push({ level, began, floor, index, ids, rows })
    this.#parts.world.note(`${this.#parts.id} read ${level} ${index} ${rows.length}`)
    return { index, rows }
  }

  /** Ranges of a table at one moment; undefined where no region gave them. */
  async scan(
    level: 'strong' | 'local',
    table: CompiledTable,
    tenant: string,
    queries: readonly ListQuery[],
  ): Promise<
    { readonly index: number; readonly pages: readonly (readonly StoredRow[])[] } | undefined
  > {
    const { recorder, timeoutMs } = this.#parts
    const [floor, began] = [recorder.floor(), recorder.moment()]
    const request = { kind: 'scan', level, table, tenant, queries, timeoutMs } as const
    const answer = await this.#ask('pages', request)
    if (answer === undefined) return undefined
    const { index, nowMs, pages } = answer
    for (const [i, query] of queries.entries()) {
      const rows = pages[i] ?? []
      recorder.ranges.push({ level, began, floor, index, table, tenant, query, nowMs, rows })
    }
    this.#parts.world.note(`${this.#parts.id} scan ${level} ${index} ${pages.map((p) => p.length)}`)
    return { index, pages }
  }

  /** Commits; repeats through any region while it has no answer that decides it. */
  async commit(draft: Draft): Promise<Result> {
    const { recorder, world, timeoutMs, maxAttempts, home, random, id } = this.#parts
    this.#made += 1
    const txId = `${id}-${this.#made}`
    const idempotencyKey = draft.idempotencyKey ?? txId
    const [floor, began] = [recorder.floor(), recorder.moment()]
    const { tenant, ops, reads, basis = this.#known } = draft
    const request = {
      ...{ txId, tenant, ops, reads, idempotencyKey, contentHash: txId, basis, issuedAtMs: 0 },
    }
    const sent = (outcome: SentTransaction['outcome']): void => {
      recorder.transactions.push({ txId, floor, began, ended: recorder.moment(), outcome })
      world.note(`${txId} ${JSON.stringify(outcome)}`)
    }
    let mayBeThere = false
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (attempt > 0) {
        world.count('client.retry')
        await world.scheduler.sleep(PAUSE_MS * (attempt + random.fraction()))
      }
      const region = attempt === 0 ? home : this.#any()
      const answer = await this.#call(region, { kind: 'commit', request, timeoutMs })
      if (answer?.kind === 'committed') {
        this.#learn(answer.index)
        sent({ kind: 'committed', index: answer.index })
        return answer
      }
      const error = answer?.kind === 'failed' ? answer.error : undefined
      const code = DECIDED.find((one) => one === error?.code)
      if (code !== undefined) {
        const reads = error?.details?.['reads'] as readonly number[] | undefined
        sent({ kind: 'refused', code, ...(reads === undefined ? {} : { reads }) })
        return { kind: 'refused', code, idempotencyKey }
      }
      if (error?.retry !== 'safe') mayBeThere = true
      if ((error?.message.length ?? 0) > MAX_MESSAGE_LENGTH) {
        recorder.complaints.push(`message: ${error?.code} has ${error?.message.length} characters`)
      }
      if (error !== undefined) world.count(`answer.${error.code}.${error.retry}`)
      if (isErrorCode(error, 'IDEMPOTENCY_EXPIRED')) break
    }
    const kind = mayBeThere ? 'unknown' : 'none'
    world.count(`outcome.${kind}`)
    sent({ kind })
    return { kind }
  }

  /** Reads where the log is, so that what is sent next is not too old. */
  async refresh(): Promise<void> {
    await this.read('local', [])
  }

  /** Of the client's region, or else of another. */
  async #ask<K extends 'rows' | 'pages'>(
    kind: K,
    request: NodeRequest,
  ): Promise<Extract<NodeAnswer, { kind: K }> | undefined> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const region = attempt === 0 ? this.#parts.home : this.#any()
      const answer = await this.#call(region, request)
      if (answer?.kind !== kind) continue
      this.#learn((answer as Extract<NodeAnswer, { index: number }>).index)
      return answer as Extract<NodeAnswer, { kind: K }>
    }
    return undefined
  }

  /** Undefined: no answer in time. */
  #call(region: SimRegion, request: NodeRequest): Promise<NodeAnswer | undefined> {
    const { network, world, home } = this.#parts
    // The client gives the node a little longer than it waits itself: late answers are lost.
    const waitMs = this.#parts.timeoutMs * 1.2
    return new Promise((resolve) => {
      const cancel = world.scheduler.after(waitMs, () => {
        world.count('client.no-answer')
        resolve(undefined)
      })
      const from = `client:${home.name}`
      network.send(from, region.name, () =>
        region.receive(request, (answer) => {
          network.send(region.name, from, () => {
            cancel()
            resolve(answer)
          })
        }),
      )
    })
  }

  #learn(index: number): void {
    this.#known = Math.max(this.#known, index)
    this.#parts.recorder.told(index)
  }

  #any(): SimRegion {
    return this.#parts.random.pick(this.#parts.regions)
  }
}
