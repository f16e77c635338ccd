/**
 * Whether decoded bytes are a message: every field is there and of its type. What the fields mean
 * (whether a table exists, whether a value fits its column) is judged by whoever serves them.
 */
import {
  MAX_GUARD_TABLES,
  MAX_OPERATIONS,
  MAX_PAGE_ROWS,
  MAX_SESSION_POSITIONS,
} from '../core/limits.ts'
import { SCOPES } from '../core/principal.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../core/values.ts'
import type { Request, RequestBody, Response } from './messages.ts'

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value)
const isIndex: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isBytes: Check = (value) => value instanceof Uint8Array

function orNull(check: Check): Check {
  return (value) => value === null || check(value)
}

function orLeftOut(check: Check): Check {
  return (value) => value === undefined || check(value)
}

function oneOf(...values: readonly unknown[]): Check {
  return (value) => values.includes(value)
}

function list(check: Check, maxLength: number = Infinity): Check {
  return (value) => Array.isArray(value) && value.length <= maxLength && value.every(check)
}

/** An object with these fields; others are ignored, so that a newer peer may send more. */
function fields(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks)
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    for (const [name, check] of entries) {
      if (!check((value as Readonly<Record<string, unknown>>)[name])) return false
    }
    return true
  }
}

/** An object whose `kind` says which fields it has. */
function variants(byKind: Readonly<Record<string, Readonly<Record<string, Check>>>>): Check {
  const checks = new Map(Object.entries(byKind).map(([kind, own]) => [kind, fields(own)]))
  return (value) => {
    const kind = (value as { readonly kind?: unknown } | null | undefined)?.kind
    return typeof kind === 'string' && checks.get(kind)?.(value) === true
  }
}

/** Whether a decoded value is one that a store holds. */
export function isSqlValue(value: unknown): value is SqlValue {
  switch (typeof value) {
    case 'string':
      return true
    case 'number':
      return Number.isFinite(value)
    case 'bigint':
      return value >= INT64_MIN && value <= INT64_MAX
    default:
      return value === null || value instanceof Uint8Array
  }
}

const isRow = list(isSqlValue)
const isKeys = list(isRow, MAX_OPERATIONS)

function isLevel(value: unknown): boolean {
  if (value === 'session' || value === 'strong' || value === 'stale') return true
  const bound = (value as { readonly maxStalenessMs?: unknown } | null)?.maxStalenessMs
  return isNumber(bound) && (bound as number) > 0
}

function isPositions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const positions = Object.values(value)
  return positions.length <= MAX_SESSION_POSITIONS && positions.every(isIndex)
}

const isSession = fields({ positions: isPositions, nowMs: isNumber })

const isHeader = fields({
  version: isNumber,
  schemaVersion: isIndex,
  principal: orNull(
    fields({
      tenants: orNull(list(isText)),
      scopes: list(oneOf(...SCOPES)),
      regions: orLeftOut(list(isText)),
    }),
  ),
  clientRegion: isText,
  timeoutMs: isNumber,
  session: isSession,
  trace: orNull(isText),
  forwarded: isFlag,
})

const isListQuery = fields({
  where: list(
    fields({
      column: isIndex,
      op: oneOf('=', '!=', '<', '<=', '>', '>=', 'in'),
      values: isRow,
    }),
  ),
  orderBy: list(fields({ column: isIndex, descending: isFlag })),
  limit: isIndex,
  after: orNull(isRow),
})

const isAddend: Check = (value) =>
  (typeof value === 'number' || typeof value === 'bigint') && isSqlValue(value)

const isCellChange = fields({
  column: isIndex,
  op: variants({
    set: { value: isSqlValue },
    increment: { by: isAddend, floor: orNull(isAddend) },
    max: { value: isSqlValue },
    min: { value: isSqlValue },
    add: { elements: list(isText) },
    remove: { elements: list(isText) },
    text: {
      edits: list(
        variants({
          insert: { at: isIndex, text: isText },
          append: { text: isText },
          delete: { at: isIndex, length: isIndex },
          replace: { text: isText },
        }),
      ),
    },
  }),
})

const isConditions = list(
  fields({ column: isIndex, op: oneOf('=', '!=', '<', '<=', '>', '>='), value: isSqlValue }),
)

const isRowCheck = fields({ table: isIndex, key: isRow, version: orNull(isText) })
const isRangeGuard = fields({ table: isIndex, range: isListQuery, digest: isText })
const isColumnGuard = fields({
  table: isIndex,
  key: isRow,
  columns: list(isIndex),
  digest: isText,
})
const isSqlGuard = fields({
  table: isIndex,
  tables: list(
    fields({
      id: isIndex,
      name: isText,
      columns: list((value) => isPair(value)),
    }),
    MAX_GUARD_TABLES,
  ),
  sql: isText,
  args: isRow,
  digest: isText,
})

/** A column's id and its name. */
function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isIndex(value[0]) && isText(value[1])
}

/** One of the kinds: what a message has of several would be read as it suits. */
function isReadCheck(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const has = (...names: readonly string[]): boolean => names.some((name) => name in value)
  if (has('sql')) return isSqlGuard(value) && !has('range', 'key', 'columns', 'version')
  if (has('range')) return isRangeGuard(value) && !has('key', 'columns', 'version')
  if (has('columns')) return isColumnGuard(value) && !has('version')
  return isRowCheck(value)
}

const isTransaction = fields({
  txId: isText,
  tenant: isText,
  reads: list(isReadCheck),
  ops: list(
    variants({
      insert: { table: isIndex, rows: isKeys },
      upsert: { table: isIndex, rows: isKeys },
      update: { table: isIndex, key: isRow, cells: list(isCellChange), conditions: isConditions },
      delete: { table: isIndex, key: isRow, conditions: isConditions },
    }),
  ),
  idempotencyKey: isText,
  contentHash: isText,
  issuedAtMs: isNumber,
  basis: isIndex,
})

const isWireKey = fields({
  lineage: isText,
  generation: isIndex,
  region: isText,
  wrapped: isBytes,
})

const BODIES: Readonly<Record<RequestBody['kind'], Readonly<Record<string, Check>>>> = {
  get: { table: isIndex, tenant: isText, keys: isKeys, level: isLevel },
  list: { table: isIndex, tenant: isText, query: isListQuery, level: isLevel },
  query: { tenant: isText, sql: isText, args: isRow, level: isLevel, guarded: orLeftOut(isFlag) },
  view: {
    view: isIndex,
    tenant: isText,
    prefix: isRow,
    limit: (value) =>
      isIndex(value) && (value as number) >= 1 && (value as number) <= MAX_PAGE_ROWS,
    level: isLevel,
  },
  commit: { request: isTransaction },
  tenant: { tenant: isText, fresh: isFlag },
  createTenant: { tenant: isText, home: isText, tenantClass: orNull(isText), txId: isText },
  hello: { schemaFingerprint: orLeftOut(isText) },
  keys: { tenant: isText, fresh: isFlag },
  createKeys: { tenant: isText, keys: list(isWireKey, MAX_OPERATIONS) },
}

const isBody = variants(BODIES)

/** Whether a decoded message is a request of this version. */
export function isRequest(value: unknown): value is Request {
  const { header, body } = value as Partial<Request>
  return isHeader(header) && isBody(body)
}

const isReceipt = fields({ level: isLevel, region: isText, crossRegionRoundTrips: isIndex })
const isFailedReceipt = fields({
  level: orNull(isLevel),
  region: isText,
  crossRegionRoundTrips: isIndex,
})
const isSuccess = fields({ session: isSession, receipt: isReceipt })
const isFailure = fields({
  error: fields({
    code: isText,
    message: isText,
    retry: oneOf('safe', 'never', 'unknown-outcome'),
  }),
  receipt: orNull(isFailedReceipt),
})

/** Whether a decoded message is a response; its value is what the request's kind says. */
export function isResponse(value: unknown): value is Response {
  const { ok } = value as Partial<Response>
  return ok === true ? isSuccess(value) : ok === false && isFailure(value)
}
