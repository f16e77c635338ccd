/** A short text that stands for the content of a schema: equal exactly when nothing differs. */
import { toHex, type SqlValue } from '../core/values.ts'
import type { CompiledTable, CompiledView } from './compiled.ts'
import { hasLocalReads } from './log-group-names.ts'

/** The fingerprint of everything that tables and views declare. */
export function fingerprint(
  tables: readonly CompiledTable[],
  views: readonly CompiledView[],
): string {
  const content = [
    tables.map((t) => [
      t.id,
      t.name,
      t.consistency,
      t.scope,
      t.onConcurrentDelete,
      t.primaryKey.map((c) => c.id),
      t.ttl?.id ?? null,
      ...(hasLocalReads(t) ? [{ reads: 'local' }] : []),
      t.indexes.map((index) => [index.columns, index.unique]),
      t.columns.map((c) => [
        c.id,
        c.name,
        c.type,
        c.optional,
        c.unique,
        c.encrypted,
        c.default === undefined ? [] : [plain(c.default)],
      ]),
    ]),
    views.map((v) => [
      v.id,
      v.name,
      v.source.id,
      v.filter.map((p) => [p.columnId, p.op, plain(p.value)]),
      v.shape,
      v.span,
    ]),
  ]
  return fnv1a64(JSON.stringify(content))
}

function plain(value: SqlValue): unknown {
  if (typeof value === 'bigint') return { bigint: String(value) }
  return value instanceof Uint8Array ? { hex: toHex(value) } : value
}

/** FNV-1a of 64 bits (Fowler, Noll, Vo), over UTF-8. It tells versions apart; it secures nothing. */
function fnv1a64(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  return hash.toString(16).padStart(16, '0')
}
