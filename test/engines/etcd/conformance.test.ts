import type { CommitLog } from '../../../src/core/ports/commit-log.ts'
import { describeCommitLogSuite } from '../../conformance/commit-log-suite.ts'
import { describeCoordinationSuite } from '../../conformance/coordination-suite.ts'
import { engines } from '../../support/engines.ts'
import { newName, openEngine } from './support/open-engine.ts'

const openLog = async (): Promise<CommitLog> => {
  const engine = await openEngine([engines().etcd.endpoint])
  return engine.commitLog()
}

describeCommitLogSuite('etcd commit log', openLog)

describeCoordinationSuite('etcd coordination', async () => {
  const name = newName()
  const [a, b] = await Promise.all(
    [1, 2].map(() => openEngine([engines().etcd.endpoint], { name })),
  )
  return { a: (a as typeof b & object).coordination, b: (b as typeof a & object).coordination }
})
