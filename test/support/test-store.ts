/** A file store of the stream's test schema for one test. */
import { onTestFinished } from 'vitest'
import { createOutboxFeed, type OutboxFeedOptions } from '../../cdc/capture/outbox-feed.ts'
import { makeSource } from '../../src/core/change.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { tempFolder } from '../conformance/support/temp-folder.ts'
import { streamSchema, type TestStore } from './stream-schema.ts'

/** A store with its clock, and feeds of it. */
export interface FeedStore extends TestStore {
  feed(options?: Partial<OutboxFeedOptions>): ChangeFeed
}

/** Opens a fresh store that is closed when the running test is over. */
export async function openTestStore(region = 'eu'): Promise<FeedStore> {
  const path = `${tempFolder()}/${region}.db`
  const store = await openFileStore({ path, timers: systemRuntime.timers })
  onTestFinished(() => store.close())
  const prepared = await prepareStore(store, streamSchema, { random: systemRuntime.random })
  const source = makeSource(region, prepared.incarnation)
  return {
    store,
    source,
    storeClock: new StoreClock(systemRuntime.clock, prepared.lastHlc),
    feed: (options) => createOutboxFeed({ store, schema: streamSchema, source, ...options }),
  }
}
