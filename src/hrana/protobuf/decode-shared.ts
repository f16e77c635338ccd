/** Statements, batches and values from protobuf: what HTTP and WebSocket have in common. */
import type { SqlValue } from '../../core/values.ts'
import { malformed } from '../errors.ts'
import { MAX_CONDITION_DEPTH, MAX_CONDITION_PARTS } from '../limits.ts'
import type { Batch, BatchCond, BatchStep, NamedArg, SqlRef, Stmt } from '../model.ts'
import type { ProtobufReader } from './reader.ts'

/** A message that must be there. @throws HranaError `MALFORMED` */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw malformed(`${what} is missing`)
  return value
}

/** Reads a message that consists of SQL: its text, or the id of a stored one. */
export function readSqlRef(reader: ProtobufReader, sqlField: number): SqlRef {
  let sql: string | undefined
  let sqlId: number | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === sqlField) sql = reader.string()
    else if (field === sqlField + 1) sqlId = reader.int32()
    else reader.skip()
  }
  return { sql, sqlId }
}

export function readStmt(reader: ProtobufReader): Stmt {
  let sql: string | undefined
  let sqlId: number | undefined
  const args: SqlValue[] = []
  const namedArgs: NamedArg[] = []
  let wantRows = true
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) sql = reader.string()
    else if (field === 2) sqlId = reader.int32()
    else if (field === 3) args.push(readValue(reader.message()))
    else if (field === 4) namedArgs.push(readNamedArg(reader.message()))
    else if (field === 5) wantRows = reader.bool()
    else reader.skip()
  }
  return { sql, sqlId, args, namedArgs, wantRows }
}

function readNamedArg(reader: ProtobufReader): NamedArg {
  let name = ''
  let value: SqlValue | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) name = reader.string()
    else if (field === 2) value = readValue(reader.message())
    else reader.skip()
  }
  return { name, value: required(value, 'the value of a named argument') }
}

export function readBatch(reader: ProtobufReader): Batch {
  const steps: BatchStep[] = []
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) steps.push(readStep(reader.message()))
    else reader.skip()
  }
  return { steps }
}

function readStep(reader: ProtobufReader): BatchStep {
  let condition: BatchCond | undefined
  let stmt: Stmt | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) condition = readCondition(reader.message(), { parts: 0 }, 1)
    else if (field === 2) stmt = readStmt(reader.message())
    else reader.skip()
  }
  return { condition, stmt: required(stmt, 'the statement of a step') }
}

/** @param count parts of the whole condition so far */
function readCondition(reader: ProtobufReader, count: { parts: number }, depth: number): BatchCond {
  if (depth > MAX_CONDITION_DEPTH || ++count.parts > MAX_CONDITION_PARTS) {
    throw malformed('a condition nests too deeply or has too many parts')
  }
  let condition: BatchCond | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    condition = conditionField(reader, field, count, depth) ?? condition
  }
  return required(condition, 'the type of a condition')
}

function conditionField(
  reader: ProtobufReader,
  field: number,
  count: { parts: number },
  depth: number,
): BatchCond | undefined {
  switch (field) {
    case 1:
      return { type: 'ok', step: reader.uint32() }
    case 2:
      return { type: 'error', step: reader.uint32() }
    case 3:
      return { type: 'not', cond: readCondition(reader.message(), count, depth + 1) }
    case 4:
      return { type: 'and', conds: readConditions(reader.message(), count, depth + 1) }
    case 5:
      return { type: 'or', conds: readConditions(reader.message(), count, depth + 1) }
    case 6:
      reader.message()
      return { type: 'is_autocommit' }
    default:
      reader.skip()
      return undefined
  }
}

function readConditions(
  reader: ProtobufReader,
  count: { parts: number },
  depth: number,
): BatchCond[] {
  const conditions: BatchCond[] = []
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) conditions.push(readCondition(reader.message(), count, depth))
    else reader.skip()
  }
  return conditions
}

function readValue(reader: ProtobufReader): SqlValue {
  let value: SqlValue | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    switch (field) {
      case 1:
        reader.message()
        value = null
        break
      case 2:
        value = reader.sint64()
        break
      case 3:
        value = finite(reader.double())
        break
      case 4:
        value = reader.string()
        break
      case 5:
        value = reader.bytes()
        break
      default:
        reader.skip()
    }
  }
  return required(value, 'the type of a value')
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw malformed('a float is not finite')
  return value
}
