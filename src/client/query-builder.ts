/**
 * Kysely's query builder, as far as it reads. Its own `QueryCreator` brings along all that writes,
 * and `Kysely` what runs, migrates and introspects besides: together most of a client's size.
 */
import {
  CommonTableExpressionNameNode,
  CommonTableExpressionNode,
  createFunctionModule,
  createQueryId,
  createSelectQueryBuilder,
  DynamicModule,
  expressionBuilder,
  SelectQueryNode,
  SqliteAdapter,
  SqliteQueryCompiler,
  WithNode,
  type OperationNodeSource,
  type QueryExecutor,
} from 'kysely'
import { MeridianError } from '../core/errors.ts'

const adapter = new SqliteAdapter()
const compiler = new SqliteQueryCompiler()

/** Compiles, and has no way to run. */
const executor: QueryExecutor = {
  adapter,
  plugins: [],
  transformQuery: (node) => node,
  compileQuery: (node, queryId) => compiler.compileQuery(node, queryId),
  executeQuery: notRunHere,
  stream: notRunHere,
  provideConnection: notRunHere,
  withConnectionProvider: () => executor,
  withPlugin: () => executor,
  withPlugins: () => executor,
  withPluginAtFront: () => executor,
  withoutPlugins: () => executor,
}

type Untyped = Record<string, Record<string, unknown>>
type From = Parameters<ReturnType<typeof expressionBuilder<Untyped>>['selectFrom']>[0]
type SelectBuilder = ReturnType<typeof createSelectQueryBuilder<Untyped, string, unknown>>
type Selection = Parameters<SelectBuilder['select']>[0]

/** What a common table expression is made of: `(creator) => query`. */
type Expression = (creator: ReadingCreator) => OperationNodeSource
/** The name of a common table expression, or a function that makes it with its hints. */
type Name = string | ((named: (name: string) => NamedExpression) => OperationNodeSource)

/** The untyped builder; `QueryBuilder` in `types.ts` is its typed face. */
class ReadingCreator {
  readonly fn: unknown = createFunctionModule()
  readonly dynamic: DynamicModule<Untyped> = new DynamicModule()
  readonly #with: WithNode | undefined

  constructor(withNode?: WithNode) {
    this.#with = withNode
  }

  selectFrom(from: From): SelectBuilder {
    const node = expressionBuilder<Untyped>().selectFrom(from).toOperationNode()
    return this.#builder(node)
  }

  selectNoFrom(selection: Selection): SelectBuilder {
    return this.#builder(SelectQueryNode.create()).select(selection) as SelectBuilder
  }

  with(name: Name, expression: Expression): ReadingCreator {
    return this.#named(commonTableExpression(name, expression), false)
  }

  withRecursive(name: Name, expression: Expression): ReadingCreator {
    return this.#named(commonTableExpression(name, expression), true)
  }

  insertInto(): never {
    return refuseWrite()
  }

  replaceInto(): never {
    return refuseWrite()
  }

  updateTable(): never {
    return refuseWrite()
  }

  deleteFrom(): never {
    return refuseWrite()
  }

  mergeInto(): never {
    return refuseWrite()
  }

  /** `WITH RECURSIVE` holds for all of its expressions once the first is recursive. */
  #named(node: CommonTableExpressionNode, recursive: boolean): ReadingCreator {
    return new ReadingCreator(
      this.#with === undefined
        ? WithNode.create(node, recursive ? { recursive } : {})
        : WithNode.cloneWithExpression(this.#with, node),
    )
  }

  #builder(node: SelectQueryNode): SelectBuilder {
    const queryNode = this.#with === undefined ? node : { ...node, with: this.#with }
    return createSelectQueryBuilder({ queryId: createQueryId(), executor, queryNode })
  }
}

/** A common table expression, which may say whether it is to be materialized. */
class NamedExpression implements OperationNodeSource {
  readonly #node: CommonTableExpressionNode

  constructor(node: CommonTableExpressionNode) {
    this.#node = node
  }

  materialized(): NamedExpression {
    return this.#materialized(true)
  }

  notMaterialized(): NamedExpression {
    return this.#materialized(false)
  }

  toOperationNode(): CommonTableExpressionNode {
    return this.#node
  }

  #materialized(materialized: boolean): NamedExpression {
    return new NamedExpression(CommonTableExpressionNode.cloneWith(this.#node, { materialized }))
  }
}

/** Makes read-only queries that compile to SQLite's dialect. */
export const queryBuilder: ReadingCreator = new ReadingCreator()

function commonTableExpression(name: Name, expression: Expression): CommonTableExpressionNode {
  const node = expression(new ReadingCreator()).toOperationNode()
  const named = (text: string): NamedExpression =>
    new NamedExpression(CommonTableExpressionNode.create(expressionName(text), node))
  const made = typeof name === 'function' ? name(named) : named(name)
  return made.toOperationNode() as CommonTableExpressionNode
}

/** `name` or `name(column, …)`. */
function expressionName(text: string): CommonTableExpressionNameNode {
  const [name = '', columns] = text.split(/[()]/)
  return CommonTableExpressionNameNode.create(
    name,
    columns?.split(',').map((column) => column.trim()),
  )
}

function notRunHere(): never {
  throw new MeridianError('QUERY_REFUSED', 'A query is run by `query()`, not by itself.', {
    fix: 'Return the query from the function that `query` takes.',
  })
}

function refuseWrite(): never {
  throw new MeridianError('QUERY_REFUSED', 'A query only reads.', {
    fix: 'Write through the tables, or in a transaction.',
  })
}
