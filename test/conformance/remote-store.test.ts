import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openRemoteStore } from '../../src/drivers/store/remote/remote-store.ts'
import { describeStoreSuite } from './store-suite.ts'
import { emptyServer } from './support/store-servers.ts'

for (const protocol of ['http', 'ws'] as const) {
  describeStoreSuite(
    `remote store over ${protocol}`,
    async () => {
      const { url, token } = await emptyServer(protocol)
      return openRemoteStore({ url, token, runtime: systemRuntime })
    },
    { modelRuns: 50 },
  )
}
