/** Protocol rule 13: regions whose nodes are of two schemas evaluate one log alike. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import { insert, RegionPool, rowsOf, transaction, update, put } from '../../../support/strong-region.ts'
import { newer, older, olderPasses, openSchemaNode, passes } from '../../../support/two-schemas.ts'

const pool = new RegionPool()
let log: MemoryCommitLog
beforeEach(() => {
  log = new MemoryCommitLog()
})
afterEach(() => pool.closeAll())

describe('a table that gains a TTL', () => {
  it('has the same rows in a node of the schema before and in one of the schema with it', async () => {
    const us = await openSchemaNode(pool, log, older)
    const eu = await openSchemaNode(pool, log, newer)
    await us.engine.commit(transaction([insert(olderPasses, ['a', null, 0, 1])]))
    await us.engine
      .commit(transaction([insert(olderPasses, ['a', null, 1, 1])]))
      .catch(() => undefined)
    await eu.engine.catchUp()
    expect((await rowsOf(eu.store, olderPasses)).map(String)).toEqual(
      (await rowsOf(us.store, olderPasses)).map(String),
    )
  })
})
