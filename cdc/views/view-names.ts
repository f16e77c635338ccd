/** Physical names of what views keep in a store, and under which tenant. */
import type { CompiledView } from '../../src/schema/compiled.ts'

/** The rows of a view. */
export function viewTable(view: CompiledView): string {
  return `v${view.id}`
}

/** What a view remembers besides its rows: rows that will expire, or how far a top list reaches. */
export function memoryTable(view: CompiledView): string {
  return `m${view.id}`
}

/** An index that a view needs on its source. */
export function sourceIndex(view: CompiledView, suffix: number): string {
  return `v${view.id}_source_${suffix}`
}

/** Rows of a view that spans tenants are kept under the empty tenant. */
export function scopeOf(view: CompiledView, tenant: string): string {
  return view.span === 'region' ? '' : tenant
}
