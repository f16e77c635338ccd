/** What all handles of one client share, and the two ways they use it: reads and commits. */
import { isErrorCode, MeridianError } from '../core/errors.ts'
import { newTxId } from '../core/ids.ts'
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_OPERATIONS } from '../core/limits.ts'
import type { ReadCheck, WriteOp } from '../core/operations.ts'
import { textProblem, toHex } from '../core/values.ts'
import { encodeValue } from '../protocol/codec.ts'
import type { BodyOf, ReadBody, ReadLevel, ResponseValues } from '../protocol/messages.ts'
import type { CompiledSchema, Consistency } from '../schema/compiled.ts'
import { STRONG_LOG_GROUP } from '../schema/log-group-names.ts'
import { readWishes, type Consistency as ReadConsistency } from '../session/levels.ts'
import type { Session } from '../session/session.ts'
import type { CallOptions, Receipt } from './call.ts'
import {
  isTransient,
  isTransientWrite,
  type Answer,
  type CallContext,
  type Connection,
} from './connection.ts'
import type { Router } from './router.ts'
import { sessionState, type ClientSession } from './sessions.ts'

/** Everything behind the handles. */
export interface ClientParts {
  readonly schema: CompiledSchema
  readonly connection: Connection
  readonly router: Router
  readonly session: ClientSession
  /** The index of a log group that this client knew at its latest look. */
  readonly strongBasis: (context: Session, group: string) => Promise<number>
}

/** A transaction before it becomes a message. */
export interface Draft {
  /** '' for global tables. */
  readonly tenant: string
  readonly mode: Consistency
  readonly reads: readonly ReadCheck[]
  readonly ops: readonly WriteOp[]
  /** What the transaction says before encryption, which is never twice the same. */
  readonly content: () => Promise<unknown>
}

/** A committed draft. */
export interface CommittedDraft {
  readonly updated: ResponseValues['commit']['updated']
  readonly receipt: Receipt
}

export class ClientContext {
  readonly parts: ClientParts

  constructor(parts: ClientParts) {
    this.parts = parts
  }

  /**
   * Runs a call of the public face within its bounds.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`, `CANCELLED`, `CLOSED`, and what `work` throws
   */
  async run<T>(
    name: string,
    options: CallOptions | undefined,
    work: (call: CallContext) => Promise<T>,
  ): Promise<T> {
    const { connection, session } = this.parts
    const call = connection.begin(name, sessionState(options?.session ?? session), options)
    return connection.bound(call, () => work(call))
  }

  /**
   * Reads at the first wish that can be had. `body` makes the request for a level.
   *
   * @throws MeridianError what the last wish failed with
   */
  async read<K extends ReadBody['kind']>(
    tenant: string,
    call: CallContext,
    consistency: ReadConsistency | undefined,
    body: (level: ReadLevel) => BodyOf<K>,
  ): Promise<Answer<K>> {
    const { connection } = this.parts
    const wishes = readWishes(consistency)
    if (tenant !== '') await this.#requirePermitted(tenant, call)
    for (const [i, { level, withinMs }] of wishes.entries()) {
      const request = body(level)
      const attempt = (within: CallContext): Promise<Answer<K>> =>
        connection.retry(within, isTransientRead, () =>
          connection.send(connection.region, request, within),
        )
      if (withinMs === undefined && i === wishes.length - 1) return attempt(call)
      try {
        if (withinMs === undefined) return await attempt(call)
        const within = connection.within(call, Math.min(withinMs, connection.timeLeftMs(call)))
        return await connection.bound(within, () => attempt(within))
      } catch (error) {
        if (i === wishes.length - 1 || !isUnmetWish(error)) throw error
      }
    }
    throw new MeridianError('INVALID_ARGUMENT', 'The option `consistency` holds no wish.')
  }

  /** Commits a draft; the same idempotency key goes with every retry. */
  async commit(
    draft: Draft,
    call: CallContext,
    idempotencyKey: string | undefined,
  ): Promise<CommittedDraft> {
    const { connection, router } = this.parts
    requireSize(draft)
    if (draft.tenant !== '') await this.#requirePermitted(draft.tenant, call)
    const body = await this.#commitBody(draft, call.session, idempotencyKey)
    const sendTo = (region: string): Promise<Answer<'commit'>> =>
      connection.retry(call, isTransientWrite, () => connection.send(region, body, call))
    const { value, receipt } =
      draft.mode === 'pinned'
        ? await router.atHome(draft.tenant, call, sendTo)
        : await sendTo(connection.region)
    return { updated: value.updated, receipt: { ...receipt, txId: value.txId, hlc: value.hlc } }
  }

  async #commitBody(
    draft: Draft,
    session: Session,
    idempotencyKey: string | undefined,
  ): Promise<BodyOf<'commit'>> {
    const { clock, random } = this.parts.connection.runtime
    const txId = newTxId(clock, random)
    if (idempotencyKey !== undefined) requireIdempotencyKey(idempotencyKey)
    return {
      kind: 'commit',
      request: {
        txId,
        tenant: draft.tenant,
        reads: draft.reads,
        ops: draft.ops,
        idempotencyKey: idempotencyKey ?? txId,
        // A key made here is never used for other content: it stands for the content.
        contentHash: idempotencyKey === undefined ? txId : await hashOf(await draft.content()),
        issuedAtMs: clock.nowMs(),
        basis: await this.#basis(draft, session),
      },
    }
  }

  async #basis({ mode, ops, reads }: Draft, session: Session): Promise<number> {
    if (mode !== 'strong') return 0
    const [first] = [...ops, ...reads]
    const table = first && this.parts.schema.tableById.get(first.table)
    return this.parts.strongBasis(session, table?.logGroup ?? STRONG_LOG_GROUP)
  }

  async #requirePermitted(tenant: string, call: CallContext): Promise<void> {
    const { connection, router } = this.parts
    const entry =
      router.known(tenant) ??
      (await connection.retry(call, isTransient, () => router.tenant(tenant, call)))
    router.requirePermitted(tenant, entry)
  }
}

function isTransientRead(error: MeridianError): boolean {
  // NOT_HOME: a forwarded read met a home that had moved; the directories converge.
  return isTransient(error) || error.code === 'NOT_HOME'
}

function isUnmetWish(error: unknown): boolean {
  return isErrorCode(
    error,
    'DEADLINE_EXCEEDED',
    'SESSION_NOT_MET',
    'STALENESS_NOT_MET',
    'POSITION_LOST',
    'REGION_UNREACHABLE',
    'LOG_UNAVAILABLE',
    'OVERLOADED',
    'MODE_MISMATCH',
    'NOT_HOME',
  )
}

function requireSize(draft: Draft): void {
  let operations = draft.reads.length
  for (const op of draft.ops) operations += 'rows' in op ? op.rows.length : 1
  if (operations <= MAX_OPERATIONS) return
  throw new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The transaction has ${operations} operations; ${MAX_OPERATIONS} are allowed.`,
    { fix: 'Split it into several transactions.' },
  )
}

function requireIdempotencyKey(key: string): void {
  const problem = idempotencyKeyProblem(key)
  if (problem === undefined) return
  throw new MeridianError('INVALID_ARGUMENT', `The option \`idempotencyKey\` ${problem}.`, {
    fix: `Use 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters, none of them a control character.`,
  })
}

function idempotencyKeyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') return 'is not a text, or is empty'
  if (key.length > MAX_IDEMPOTENCY_KEY_LENGTH) {
    return `is longer than ${MAX_IDEMPOTENCY_KEY_LENGTH} characters`
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x1f]/.test(key)) return 'contains a control character'
  return textProblem(key)
}

async function hashOf(content: unknown): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(encodeValue(content)))
  return toHex(new Uint8Array(digest, 0, 16))
}
