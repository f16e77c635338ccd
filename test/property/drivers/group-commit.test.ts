import * as fc from 'fast-check'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StatementFailed } from '../../../src/core/ports/store.ts'
import { Connection } from '../../../src/drivers/store/connection.ts'
import { commitGroup, type GroupConnection } from '../../../src/drivers/store/group-commit.ts'
import { bindArguments } from '../../../src/drivers/store/bind.ts'
import {
  MODEL_READ,
  MODEL_TABLE,
  modelMembers,
  modelStatements,
  runModel,
  type ModelMember,
} from '../../conformance/support/group-model.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'

/** Commits the members through `through`, from an empty table; what is then stored and replied. */
function commitMembers(
  connection: Connection,
  through: GroupConnection,
  members: readonly ModelMember[],
): unknown {
  connection.once('DELETE FROM model')
  const group = members.map((member) =>
    modelStatements(member).map((statement) => ({
      ...statement,
      args: bindArguments(statement.args),
    })),
  )
  const outcomes = commitGroup(through, group, 'model.db')
  const { rows } = connection.execute({ sql: MODEL_READ, args: [] }, 0)
  const failedAt = outcomes.map((outcome) =>
    outcome.ok ? undefined : (outcome.error as StatementFailed).statementIndex,
  )
  return { failedAt, rows }
}

function openModel(): Connection {
  const connection = new Connection(join(tempFolder(), 'model.db'))
  // The effects are looked at, not their durability.
  for (const text of ['PRAGMA synchronous = OFF', ...MODEL_TABLE]) connection.once(text)
  return connection
}

test('members of a group have the effects of a serial run, however they fail', () => {
  const connection = openModel()
  fc.assert(
    fc.property(modelMembers, (members) => {
      expect(commitMembers(connection, connection, members)).toEqual(runModel(members))
      expect(connection.inTransaction).toBe(false)
    }),
    { numRuns: 500 },
  )
  connection.close()
})

/** The mutants of rule 14; each leaves out one thing that a group commit must do. */
const mutants: Readonly<Record<string, (connection: Connection) => GroupConnection>> = {
  'does not look at the transaction state after a failure': (connection) => ({
    inTransaction: true,
    control: (text) => {
      // What is no longer there to be ended is passed over.
      if (!connection.inTransaction && text !== 'BEGIN IMMEDIATE') return
      connection.control(text)
    },
    execute: (statement, index) => connection.execute(statement, index),
  }),
  'does not undo a failed member': (connection) => ({
    get inTransaction(): boolean {
      return connection.inTransaction
    },
    control: (text) => {
      if (text !== 'ROLLBACK TO member') connection.control(text)
    },
    execute: (statement, index) => connection.execute(statement, index),
  }),
}

for (const [name, mutate] of Object.entries(mutants)) {
  test(`a group commit that ${name} is caught`, () => {
    const connection = openModel()
    const mutant = mutate(connection)
    const details = fc.check(
      fc.property(modelMembers, (members) => {
        if (connection.inTransaction) connection.control('ROLLBACK')
        expect(commitMembers(connection, mutant, members)).toEqual(runModel(members))
      }),
      { numRuns: 500 },
    )
    expect(details.failed).toBe(true)
    connection.close()
  })
}
