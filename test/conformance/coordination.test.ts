import { createMemoryCoordination } from '../../src/drivers/coordination/memory-coordination.ts'
import { describeCoordinationSuite } from './coordination-suite.ts'

describeCoordinationSuite('memory coordination', async () => {
  const roles = createMemoryCoordination()
  return { a: roles.handle(), b: roles.handle() }
})
