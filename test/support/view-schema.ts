/** Tables of every mode, and views of every shape over them: both spans, filters, NULLs, ties, TTL. */
import {
  bigint,
  blob,
  boolean,
  counter,
  integer,
  real,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'

export const viewSchema: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      sales: table(
        {
          place: text().primaryKey(),
          number: bigint().primaryKey(),
          tag: blob().optional(),
          name: text().optional(),
          paid: boolean().optional(),
          at: timestamp().optional(),
          amount: integer().optional(),
          total: bigint().optional(),
          weight: real().optional(),
        },
        { consistency: 'pinned' },
      ),
      alerts: table(
        {
          id: integer().primaryKey(),
          zone: text().optional(),
          level: integer().optional(),
          score: real().optional(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'pinned', ttl: 'expiresAt' },
      ),
      plans: table(
        { id: text().primaryKey(), name: text(), price: integer() },
        { consistency: 'strong', scope: 'global' },
      ),
      carts: table(
        {
          id: integer().primaryKey(),
          title: text().optional(),
          quantity: counter(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'eventual', ttl: 'expiresAt' },
      ),
    },
    views: (v) => ({
      byName: v('sales')
        .groupBy('name', 'paid')
        .select((a) => ({
          rows: a.count(),
          amount: a.sum('amount'),
          total: a.sum('total'),
          weight: a.sum('weight'),
          meanAmount: a.avg('amount'),
          meanWeight: a.avg('weight'),
          least: a.min('total'),
          most: a.max('weight'),
        })),
      // Minima and maxima of texts, filtered, across tenants.
      byInstant: v('sales')
        .where('amount', '>=', 0)
        .where('paid', 'is not null')
        .groupBy('at')
        .select((a) => ({ first: a.min('name'), last: a.max('name'), newest: a.max('at') }))
        .acrossTenants(),
      byWeight: v('sales')
        .groupBy('weight', 'total')
        .select((a) => ({ rows: a.count(), mean: a.avg('total') })),
      everything: v('sales')
        .groupBy()
        .select((a) => ({ rows: a.count(), least: a.min('weight'), weight: a.sum('weight') })),
      everywhere: v('sales')
        .where('name', '!=', 'b')
        .groupBy()
        .select((a) => ({ rows: a.count(), most: a.max('total'), least: a.min('total') }))
        .acrossTenants(),
      richest: v('sales')
        .orderBy('amount', 'desc')
        .limit(2)
        .select('amount', 'tag', 'number')
        .acrossTenants(),
      firstNames: v('sales')
        .where('paid', '=', true)
        .orderBy('name')
        .orderBy('weight', 'desc')
        .limit(3)
        .select('name', 'weight', 'place'),
      lastKey: v('sales').orderBy('number', 'desc').limit(1).select('name'),
      paid: v('sales').where('paid', '=', true).select('name', 'amount', 'tag', 'total'),
      names: v('sales').where('name', 'is not null').select('name').acrossTenants(),
      zones: v('alerts')
        .groupBy('zone')
        .select((a) => ({
          rows: a.count(),
          level: a.sum('level'),
          low: a.min('level'),
          high: a.max('level'),
          score: a.sum('score'),
          mean: a.avg('score'),
          ends: a.max('expiresAt'),
        })),
      alertsAlive: v('alerts')
        .where('level', '>', 0)
        .groupBy()
        .select((a) => ({ rows: a.count(), first: a.min('zone') }))
        .acrossTenants(),
      soonest: v('alerts')
        .orderBy('expiresAt')
        .limit(2)
        .select('zone', 'expiresAt')
        .acrossTenants(),
      worst: v('alerts').orderBy('level', 'desc').limit(2).select('level', 'zone'),
      open: v('alerts').where('level', '<', 3).select('zone', 'level'),
      planNames: v('plans')
        .groupBy('name')
        .select((a) => ({ rows: a.count(), cheapest: a.min('price'), mean: a.avg('price') })),
      cheapest: v('plans').orderBy('price').limit(2).select('id', 'price'),
      titles: v('carts')
        .groupBy('title')
        .select((a) => ({ rows: a.count(), quantity: a.sum('quantity'), most: a.max('quantity') })),
      biggest: v('carts').orderBy('quantity', 'desc').limit(2).select('title', 'quantity'),
      cartList: v('carts').where('quantity', '!=', 1).select('title').acrossTenants(),
    }),
  }),
).compiled
