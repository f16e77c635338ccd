/** Program of the thread that measures an emulated network. */
import { parentPort } from 'node:worker_threads'
import { addressOf, measureLinks, startEcho } from './self-test.ts'
import type { SelfTestReply, TestLinks } from './self-test.ts'
import { preferThisThread } from './thread-priority.ts'

const port = parentPort
if (port === null) throw new Error('This program runs as a thread only.')
const isPreferred = preferThisThread()
const server = await startEcho()
port.once('message', (links: TestLinks) => {
  void measureLinks(links).then((found) =>
    port.postMessage({ found: { ...found, isPreferred } } satisfies SelfTestReply),
  )
})
port.postMessage({ server: addressOf(server) } satisfies SelfTestReply)
