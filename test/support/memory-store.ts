/** A store in memory, of the file store's own parts: for tests that open many. */
import type {
  DescribedResult,
  Statement,
  StatementResult,
  Store,
} from '../../src/core/ports/store.ts'
import { bindArguments } from '../../src/drivers/store/bind.ts'
import type { BoundStatement } from '../../src/drivers/store/bind.ts'
import { Connection } from '../../src/drivers/store/connection.ts'
import { commitGroup } from '../../src/drivers/store/group-commit.ts'

export class MemoryStore implements Store {
  readonly #connection = new Connection(':memory:')
  readonly #listeners = new Set<() => void>()
  /** Runs before each write; what it throws is what the write fails with. */
  beforeWrite: () => void = () => undefined
  /** How often `write` and `read` were called. */
  writes = 0
  reads = 0

  async write(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.writes += 1
    this.beforeWrite()
    const [outcome] = commitGroup(this.#connection, [statements.map(bound)], 'memory')
    await Promise.resolve()
    if (outcome?.ok !== true) throw outcome?.error as Error
    for (const listener of this.#listeners) listener()
    return outcome.results
  }

  async read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.reads += 1
    await Promise.resolve()
    return statements.map((statement, i) => this.#connection.execute(bound(statement), i))
  }

  async query(statement: Statement): Promise<DescribedResult> {
    const [result] = await this.read([statement])
    return { ...(result as StatementResult), columns: this.#connection.columns(bound(statement)) }
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    await Promise.resolve()
    this.#connection.close()
  }
}

function bound(statement: Statement): BoundStatement {
  return { ...statement, args: bindArguments(statement.args) }
}
