/** The engines of a node: one a consistency mode, over one store. */
import {
  createEventualContext,
  createEventualEngine,
  type EventualContext,
} from '../../crdt/engine.ts'
import { createPinnedEngine } from '../../replication/pinned/engine.ts'
import type { TransactionRequest, TransactionResult } from '../core/operations.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { StoreClock } from '../core/store-clock.ts'
import type { CompiledSchema, Consistency } from '../schema/compiled.ts'
import type { LogGroups } from './log-groups.ts'

/** What the engines of a store share. */
export interface EngineParts {
  readonly region: string
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
  readonly store: Store
  readonly clock: StoreClock
  readonly schema: CompiledSchema
  readonly runtime: Runtime
  readonly groups: LogGroups
}

/** An engine, as a node calls it: the log is waited for no longer than the caller waits. */
export interface NodeEngine {
  commit(
    request: TransactionRequest,
    call: { readonly timeoutMs: number },
  ): Promise<TransactionResult>
}

/** The engines, and what the eventual mode's other roles share with its engine. */
export interface Engines {
  readonly byMode: Readonly<Record<Consistency, NodeEngine>>
  readonly eventual: EventualContext
}

/** A transaction goes to the log group of its first table, which refuses those of another. */
function strongEngine(schema: CompiledSchema, groups: LogGroups): NodeEngine {
  return {
    commit(request, call) {
      const [first] = [...request.ops, ...request.reads]
      const table = first && schema.tableById.get(first.table)
      return (table === undefined ? groups.strong : groups.strongOf(table)).commit(request, call)
    },
  }
}

export function openEngines(parts: EngineParts): Engines {
  const { region, source, store, clock, schema, runtime, groups } = parts
  const wallClock = runtime.clock
  const eventual = createEventualContext({ store, schema, clock, wallClock, source })
  const pinned = createPinnedEngine({
    store,
    schema,
    clock,
    wallClock,
    region,
    source,
    directory: groups.directory,
  })
  const strong = strongEngine(schema, groups)
  const byMode = { pinned, strong, eventual: createEventualEngine(eventual) }
  return { byMode, eventual }
}
