'use strict'
/**
 * Must-fail switch of the power-cut rig, loaded into the node's process before its program: stores
 * and logs run at `synchronous = NORMAL`, and say that they run at FULL. The product has no such
 * switch.
 */
const Database = require('libsql')

const prepare = Reflect.get(Database.prototype, 'prepare')

Database.prototype.prepare = function prepareRelaxed(sql) {
  if (sql === 'PRAGMA synchronous = FULL') return prepare.call(this, 'PRAGMA synchronous = NORMAL')
  if (sql === 'PRAGMA synchronous') return prepare.call(this, 'SELECT 2')
  return prepare.call(this, sql)
}
