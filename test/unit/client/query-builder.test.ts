import { expect, it } from 'vitest'
import { sql, type Kysely } from 'kysely'
import { queryBuilder } from '../../../src/client/query-builder.ts'

interface Tables {
  orders: { id: string; total: number }
  tree: { id: string; parent: string | null }
}

/** As users see it: Kysely's own types. */
const q = queryBuilder as unknown as Kysely<Tables>

it('builds what Kysely builds: selections, joins, subqueries, functions', () => {
  const query = q
    .selectFrom('orders as o')
    .innerJoin('tree as t', 't.id', 'o.id')
    .select((eb) => [
      'o.id',
      eb.fn.sum<number>('o.total').as('sum'),
      eb.selectFrom('tree').select('parent').limit(1).as('p'),
    ])
    .where('o.total', '>', 5)
    .groupBy('o.id')
    .orderBy(q.dynamic.ref('o.id'), 'desc')
  expect(query.compile()).toMatchObject({
    sql: `select "o"."id", sum("o"."total") as "sum", (select "parent" from "tree" limit ?) as "p" from "orders" as "o" inner join "tree" as "t" on "t"."id" = "o"."id" where "o"."total" > ? group by "o"."id" order by "o"."id" desc`,
    parameters: [1, 5],
  })
})

it('names queries, one after another, with columns and hints', () => {
  const query = q
    .with('large(id)', (db) => db.selectFrom('orders').select('id').where('total', '>', 9))
    .with(
      (cte) => cte('kept').materialized(),
      (db) => db.selectFrom('orders').select('id'),
    )
    .with(
      (cte) => cte('inline').notMaterialized(),
      (db) => db.selectFrom('orders').select('id'),
    )
    .selectFrom(['large', 'kept', 'inline'])
    .selectAll('large')
  expect(query.compile().sql).toBe(
    `with "large"("id") as (select "id" from "orders" where "total" > ?), "kept" as materialized (select "id" from "orders"), "inline" as not materialized (select "id" from "orders") select "large".* from "large", "kept", "inline"`,
  )
})

it('builds recursive queries, and selections without a table', () => {
  const query = q
    .withRecursive('up(id, parent)', (db) =>
      db
        .selectFrom('tree')
        .select(['id', 'parent'])
        .unionAll(
          db
            .selectFrom('tree as t')
            .innerJoin('up', 'up.parent', 't.id')
            .select(['t.id', 't.parent']),
        ),
    )
    .selectNoFrom(({ fn }) => [sql<number>`1`.as('one'), fn.countAll().as('n')])
  expect(query.compile().sql).toBe(
    `with recursive "up"("id", "parent") as (select "id", "parent" from "tree" union all select "t"."id", "t"."parent" from "tree" as "t" inner join "up" on "up"."parent" = "t"."id") select 1 as "one", count(*) as "n"`,
  )
})

it.each<[string, () => unknown]>([
  ['inserts', () => q.insertInto('orders')],
  ['replaces', () => q.replaceInto('orders')],
  ['updates', () => q.updateTable('orders')],
  ['deletes', () => q.deleteFrom('orders')],
  ['merges', () => q.mergeInto('orders')],
  ['deletes in a named query', () => q.with('x', (db) => db.deleteFrom('orders').returning('id'))],
])('refuses what %s', (_what, write) => {
  expect(write).toThrow(expect.objectContaining({ code: 'QUERY_REFUSED' }))
})

it('runs nothing', async () => {
  const query = q.selectFrom('orders').selectAll()
  await expect(query.execute()).rejects.toMatchObject({ code: 'QUERY_REFUSED' })
})
