/** What all handles of one client share, and the two ways they use it: reads and commits. */
import { isErrorCode, MeridianError } from '../core/errors.ts'
import { newTxId } from '../core/ids.ts'
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_OPERATIONS } from '../core/limits.ts'
import type { ReadCheck, WriteOp } from '../core/operations.ts'
import { logSource } from '../core/change.ts'
import { textProblem, toHex } from '../core/values.ts'
import { encodeValue } from '../protocol/codec.ts'
import type { BodyOf, ReadBody, ReadLevel, ResponseValues } from '../protocol/messages.ts'
import type { CompiledSchema, Consistency } from '../schema/compiled.ts'
import { readWishes } from '../session/levels.ts'
import type { Session } from '../session/session.ts'
import type { CallOptions, ReadOptions, Receipt, WriteOptions } from './call.ts'
import { isTransient, isTransientWrite, type Answer, type Connection } from './connection.ts'
import type { Router } from './router.ts'
import { sessionState, type ClientSession } from './sessions.ts'

/** Everything behind the handles. */
export interface ClientParts {
  readonly schema: CompiledSchema
  readonly connection: Connection
  readonly router: Router
  readonly session: ClientSession
  /** The index of the strong log that this client knew at its latest look. */
  readonly strongBasis: (context: Session) => Promise<number>
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

  /** The session of a call. */
  sessionOf(options: CallOptions | undefined): Session {
    return sessionState(options?.session ?? this.parts.session)
  }

  /**
   * Reads at the first wish that can be had. `body` makes the request for a level.
   *
   * @throws MeridianError what the last wish failed with
   */
  async read<K extends ReadBody['kind']>(
    tenant: string,
    options: ReadOptions | undefined,
    body: (level: ReadLevel) => BodyOf<K>,
  ): Promise<Answer<K>> {
    const { connection } = this.parts
    const session = this.sessionOf(options)
    const whole = connection.begin(session, options?.deadlineMs, options?.signal)
    await this.#requirePermitted(tenant, whole)
    const wishes = readWishes(options?.consistency)
    for (const [i, wish] of wishes.entries()) {
      const leftMs = connection.timeLeftMs(whole)
      const withinMs = Math.min(wish.withinMs ?? leftMs, leftMs)
      const context = withinMs < leftMs ? connection.begin(session, withinMs, options?.signal) : whole
      try {
        const request = body(wish.level)
        return await connection.retry(context, isTransientRead, () =>
          connection.send(connection.region, request, context),
        )
      } catch (error) {
        if (i === wishes.length - 1 || !isUnmetWish(error)) throw error
      }
    }
    throw new MeridianError('INVALID_ARGUMENT', 'The option `consistency` holds no wish.')
  }

  /** Commits a draft; the same idempotency key goes with every retry. */
  async commit(draft: Draft, options: WriteOptions | undefined): Promise<CommittedDraft> {
    const { connection, router } = this.parts
    const session = this.sessionOf(options)
    const context = connection.begin(session, options?.deadlineMs, options?.signal)
    await this.#requirePermitted(draft.tenant, context)
    const body = await this.#commitBody(draft, session, options?.idempotencyKey)
    const sendTo = (region: string): Promise<Answer<'commit'>> =>
      connection.retry(context, isTransientWrite, () => connection.send(region, body, context))
    const { value, receipt } =
      draft.mode === 'pinned'
        ? await router.atHome(draft.tenant, context, sendTo)
        : await sendTo(connection.region)
    return { updated: value.updated, receipt: { ...receipt, txId: value.txId, hlc: value.hlc } }
  }

  async #commitBody(
    draft: Draft,
    session: Session,
    idempotencyKey: string | undefined,
  ): Promise<BodyOf<'commit'>> {
    const { clock, random } = this.parts.connection.runtime
    requireSize(draft)
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
        basis: draft.mode === 'strong' ? await this.parts.strongBasis(session) : 0,
      },
    }
  }

  async #requirePermitted(
    tenant: string,
    context: Parameters<Router['tenant']>[1],
  ): Promise<void> {
    if (tenant === '') return
    const { connection, router } = this.parts
    const known = router.known(tenant)
    const entry =
      known ?? (await connection.retry(context, isTransient, () => router.tenant(tenant, context)))
    router.requirePermitted(tenant, entry)
  }
}

/** The position of a session in the strong log's main group, as a basis. */
export function knownLogIndex(session: Session, group: string): number {
  return session.state().positions[logSource(group)] ?? 0
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
  const problem =
    typeof key !== 'string' || key === ''
      ? 'is empty'
      : key.length > MAX_IDEMPOTENCY_KEY_LENGTH
        ? `is longer than ${MAX_IDEMPOTENCY_KEY_LENGTH} characters`
        : textProblem(key)
  if (problem !== undefined) {
    throw new MeridianError('INVALID_ARGUMENT', `The option \`idempotencyKey\` ${problem}.`)
  }
}

async function hashOf(content: unknown): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(encodeValue(content)))
  return toHex(new Uint8Array(digest, 0, 16))
}
