/**
 * A batch: statements that a libSQL server runs in one go, each on a condition over those before
 * it. Meridian's own form of Hrana's, so that planning and reading batches need no client.
 */
import type { SqlRow } from '../../../core/values.ts'
import type { BoundValue } from '../../libsql/engine.ts'

/** When a step runs. A step that failed or did not run is not `ok`. */
export type Condition =
  | { readonly ok: number }
  | { readonly not: Condition }
  | { readonly all: readonly Condition[] }
  /** No transaction is open. */
  | 'autocommit'

/** One statement of a batch. */
export interface BatchStep {
  readonly sql: string
  readonly args: readonly BoundValue[]
  readonly when?: Condition
}

/** What the engine behind the server said of a statement that failed. */
export interface RemoteFailure {
  /** As libSQL names it: `SQLITE_CONSTRAINT`, `TRANSACTION_TIMEOUT`, …; '' where it has none. */
  readonly code: string
  readonly message: string
}

/** What a step that ran gave; integers of rows are `bigint`s. */
export interface StepResult {
  readonly ok: true
  readonly columns: readonly string[]
  readonly rows: readonly SqlRow[]
  readonly rowsAffected: number
}

/** What became of a step; `undefined`: its condition did not hold. */
export type StepOutcome =
  | StepResult
  | { readonly ok: false; readonly failure: RemoteFailure }
  | undefined

/** The server refused a batch as a whole: no step of it has had an effect that lasts. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused'
  readonly failure: RemoteFailure

  constructor(failure: RemoteFailure) {
    super(failure.message)
    this.failure = failure
  }
}

/** How batches reach a server. Each has a connection to itself while it runs. */
export interface BatchConnection {
  /**
   * One round trip. `writes`: whether a lost answer leaves the outcome unknown.
   *
   * @throws BatchRefused, or MeridianError `STORE_UNAVAILABLE`, `UNAUTHENTICATED`,
   * `TRANSACTION_TOO_LARGE`
   */
  batch(steps: readonly BatchStep[], writes: boolean): Promise<readonly StepOutcome[]>
  /** Whether the server takes each statement for well-formed; one round trip. Throws as `batch`. */
  describe(statements: readonly string[]): Promise<readonly (RemoteFailure | undefined)[]>
  close(): void
}
