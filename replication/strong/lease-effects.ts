/** What records did, as far as leases depend on it: names of contents, write sets, lease records. */
import { sha256Bytes } from '../../src/core/sha256.ts'
import type { PlacedRecord } from './log-batch.ts'
import type { EvaluatedRecord, OutgoingTransaction } from './leases/lease-core.ts'
import { decodeLeaseRecord } from './leases/lease-record.ts'
import type { RowKey } from './leases/read-scope.ts'
import type { EffectiveTransaction } from './leases/stable-index.ts'
import type { DecidedOutcome } from './outcomes.ts'
import type { Command, StateMachine } from './state-machine.ts'

const HINT_ID_DIGITS = 32

/**
 * The name of a transaction in hints: a hash of all its bytes, so that one name is one content
 * (L22). The ids in it are its client's, who may give one to two contents.
 */
function hintIdOf(command: Uint8Array): string {
  return sha256Bytes(command).slice(0, HINT_ID_DIGITS)
}

/** What a record did. `written`: the rows that its statements write. */
export function effectsOf<C extends Command>(
  machine: StateMachine<C>,
  { index, record, commands, control, isSkipped }: PlacedRecord<C>,
  decided: readonly DecidedOutcome[],
  written: readonly RowKey[],
): EvaluatedRecord {
  if (control?.type === 'lease' && isSkipped !== true) {
    const lease = decodeLeaseRecord(control.record)
    return { index, txIds: [], effective: [], writes: written, lease }
  }
  const txIds = commands.map((_, place) => hintIdOf(record.commands[place] as Uint8Array))
  const candidates = commands.flatMap((command, place) => {
    const rows = machine.writeSet?.(command) ?? null
    const hasEffect = decided[place]?.outcome.ok === true && rows?.length !== 0
    return hasEffect ? [{ txId: txIds[place] as string, rows }] : []
  })
  const declared = new Set(candidates.flatMap(({ rows }) => (rows ?? []).map(keyText)))
  // What no transaction declares, and a hint cannot name, is waited for by ACK.
  const isAllDeclared = written.every((row) => declared.has(keyText(row)))
  const effective: EffectiveTransaction[] = candidates.map(({ txId, rows }) => ({
    txId,
    isDeclared: isAllDeclared && rows !== null,
  }))
  if (written.length > 0 && effective.length === 0) {
    const sweep = `record ${index}`
    const undeclared: EffectiveTransaction = { txId: sweep, isDeclared: false }
    return { index, txIds: [...txIds, sweep], effective: [undeclared], writes: written }
  }
  return { index, txIds, effective, writes: written }
}

function keyText({ table, key }: RowKey): string {
  return `${table} ${key}`
}

/** The commands of a record as hints name them. */
export function outgoingOf<C extends Command>(
  machine: StateMachine<C>,
  commands: readonly Uint8Array[],
): OutgoingTransaction[] {
  return commands.map((bytes) => ({
    txId: hintIdOf(bytes),
    keys: machine.writeSet?.(machine.decode(bytes)) ?? null,
  }))
}
