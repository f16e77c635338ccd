/**
 * An operator's word that a record is passed over (protocol rule 25). A `SKIP(index)` says that the
 * record at `index` never had an effect, so it may be appended only where that is true: every region has
 * stopped before the record because its store refused it, and can go on by nothing but a `SKIP`. Each
 * region says so itself, just before the append.
 *
 * Between answer and append a region could be started with another store that takes the record, and
 * apply it. Then it meets the `SKIP` behind what it applied, counts as wrong, and is seeded again from
 * those that skipped; what it acknowledged of that record meanwhile is lost. So does a region that was
 * left out by the operator's word because it gives no answer.
 */
import { isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { CommitLog, LogEntry } from '../../src/core/ports/commit-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { CONTROL_VERSION, controlRecord } from './control.ts'
import { askStates } from './digests/ask-state.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import type { Seeding } from './reseeder.ts'
import type { GroupPeerState } from './snapshot-messages.ts'
import type { Command, StateMachine } from './state-machine.ts'

/** How a record is skipped. */
export interface SkipCall {
  /** Looks, and appends nothing. */
  readonly isDryRun: boolean
  /** Regions that give no answer and are not waited for. */
  readonly without: readonly string[]
}

/** A record, as far as it can be told without its values. */
export interface RecordReport {
  readonly id: string
  readonly bytes: number
  /** Null: it cannot be decoded. */
  readonly kind: 'commands' | 'tick' | 'control' | null
  readonly appendedAtMs: number | null
  /** Null: one of them cannot be decoded. */
  readonly commands: readonly Readonly<Record<string, unknown>>[] | null
}

/** Where a region is with the record. */
export interface SkipRegion {
  readonly region: string
  /** Null: it gives no answer. */
  readonly applied: number | null
  /** Why it has stopped at the record. */
  readonly why: string | null
  /** Why the record cannot be skipped as far as this region is concerned; null: it can. */
  readonly refusal: string | null
}

/** What was found and done. */
export interface SkipReport {
  readonly group: string
  readonly index: number
  readonly record: RecordReport
  readonly regions: readonly SkipRegion[]
  /** Where the `SKIP` is in the log; null: nothing was appended. */
  readonly skippedAt: number | null
}

/** What it needs. */
export interface SkipParts<C extends Command> {
  readonly group: string
  readonly log: CommitLog
  readonly runtime: Runtime
  readonly machine: StateMachine<C>
  /** Left out where there is no other region. */
  readonly seeding?: Seeding
  readonly own: () => GroupPeerState
}

const READ_TIMEOUT_MS = 5_000
const APPEND_ATTEMPTS = 5

/**
 * Looks at a record and, unless it is a dry run, appends its `SKIP`.
 *
 * @throws MeridianError `NOT_FOUND` (the log has no such record), `CONDITION_FAILED` with the regions in
 * `details` where one of them has not stopped at it, `LOG_COMPACTED`, `LOG_UNAVAILABLE`,
 * `UNKNOWN_OUTCOME` where the `SKIP` may be in the log
 */
export async function skipRecord<C extends Command>(
  parts: SkipParts<C>,
  index: number,
  { isDryRun, without }: SkipCall,
): Promise<SkipReport> {
  const { group, log, machine } = parts
  const entry = await readEntry(parts, index)
  const regions = await askRegions(parts, index, without)
  const report = { group, index, record: describe(entry, machine), regions, skippedAt: null }
  const refusing = regions.filter(({ refusal }) => refusal !== null)
  if (isDryRun) return report
  if (refusing.length > 0) throw refused(group, index, refusing)
  return { ...report, skippedAt: await append(parts, log, index) }
}

async function readEntry<C extends Command>(
  { group, log, runtime }: SkipParts<C>,
  index: number,
): Promise<LogEntry> {
  const logEnd = await log.readIndex(group)
  if (index < 1 || index > logEnd) throw noRecord(group, index, logEnd)
  let stop = (): void => undefined
  try {
    return await new Promise<LogEntry>((resolve, reject) => {
      const tail = log.tail(group, index, {
        onEntries: ([entry]) => {
          if (entry !== undefined) resolve(entry)
          return Promise.resolve()
        },
        onFailure: reject,
      })
      const cancel = runtime.timers.after(READ_TIMEOUT_MS, () => reject(noAnswer(group)))
      stop = () => {
        cancel()
        void tail.stop()
      }
    })
  } finally {
    stop()
  }
}

async function askRegions<C extends Command>(
  { group, runtime, seeding, own }: SkipParts<C>,
  index: number,
  without: readonly string[],
): Promise<readonly SkipRegion[]> {
  const answers = seeding === undefined ? [] : await askStates(seeding, runtime.timers, group)
  const here: [string, GroupPeerState] = [seeding?.region ?? 'this region', own()]
  return [here, ...answers].map(([region, answer]) => {
    if (!(answer instanceof Error)) return judgeRegion(region, answer, index)
    const refusal = without.includes(region) ? null : `it gives no answer: ${answer.message}`
    return { region, applied: null, why: null, refusal }
  })
}

function judgeRegion(region: string, state: GroupPeerState, index: number): SkipRegion {
  const { applied, stopped } = state
  const why = stopped?.index === index ? stopped.message : null
  return { region, applied, why, refusal: refusalOf(state, index) }
}

function refusalOf(state: GroupPeerState, index: number): string | null {
  const { applied, stopped, skipped, machineVersion } = state
  if (skipped.includes(index)) return 'it has skipped the record already'
  if (applied >= index) {
    return 'it has applied the record: seed the regions that stopped at it again from this one'
  }
  if (stopped === null) return `it has not stopped: it has applied ${applied}`
  if (stopped.index !== index) {
    return `it has stopped for another reason, behind ${applied}: ${stopped.message}`
  }
  if (machineVersion < CONTROL_VERSION) return 'its node knows no control records: upgrade it'
  return null
}

async function append<C extends Command>(
  { group, runtime }: SkipParts<C>,
  log: CommitLog,
  index: number,
): Promise<number> {
  const id = newTxId(runtime.clock, runtime.random)
  const payload = encodeRecord(controlRecord({ type: 'skip', index }, runtime.clock.nowMs()))
  for (let attempt = 1; ; attempt++) {
    try {
      // The log knows the id: one that is sent again is there once.
      return await log.append(group, id, payload)
    } catch (error) {
      const isPassing = isErrorCode(error, 'LOG_UNAVAILABLE', 'LOG_FULL')
      if (!isPassing || attempt === APPEND_ATTEMPTS) throw error
    }
  }
}

function describe<C extends Command>(
  { id, payload }: LogEntry,
  machine: StateMachine<C>,
): RecordReport {
  const unknown = { id, bytes: payload.length, kind: null, appendedAtMs: null, commands: null }
  try {
    const { kind, nowMs, commands } = decodeRecord(payload)
    const known = { ...unknown, kind, appendedAtMs: nowMs }
    if (kind !== 'commands') return { ...known, commands: [] }
    return { ...known, commands: describeCommands(commands, machine) }
  } catch {
    return unknown
  }
}

function describeCommands<C extends Command>(
  commands: readonly Uint8Array[],
  machine: StateMachine<C>,
): RecordReport['commands'] {
  try {
    return commands.map((bytes) => {
      const command = machine.decode(bytes)
      return { txId: command.txId, ...machine.describe?.(command) }
    })
  } catch {
    return null
  }
}

function noRecord(group: string, index: number, logEnd: number): MeridianError {
  return new MeridianError('NOT_FOUND', `Log group '${group}' has no record ${index}.`, {
    fix: `It has records up to ${logEnd}.`,
    details: { group, index, logEnd },
  })
}

function noAnswer(group: string): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', `The log gives no record of group '${group}'.`, {
    fix: 'Repeat it later.',
  })
}

function refused(group: string, index: number, regions: readonly SkipRegion[]): MeridianError {
  const why = regions.map(({ region, refusal }) => `${region}: ${refusal}`).join('; ')
  return new MeridianError(
    'CONDITION_FAILED',
    `Record ${index} of log group '${group}' cannot be skipped: ${why}.`,
    {
      fix: 'A record is skipped where every region has stopped at it.',
      details: { group, index, regions: regions.map(({ region }) => region) },
    },
  )
}
