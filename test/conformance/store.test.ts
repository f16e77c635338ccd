import { join } from 'node:path'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { describeFileStoreSuite } from './file-store-suite.ts'
import { describeStoreSuite } from './store-suite.ts'
import { tempFolder } from './support/temp-folder.ts'

const { timers } = systemRuntime

for (const writer of ['inline', 'worker'] as const) {
  describeStoreSuite(`file store, ${writer} writer`, () =>
    openFileStore({ path: join(tempFolder(), 'store.db'), timers, writer }),
  )
  describeFileStoreSuite(`file store, ${writer} writer`, writer, (options) =>
    openFileStore({ ...options, timers, writer }),
  )
}
