/** Program of the writer thread: commits the groups that it is sent, in order. */
import { parentPort, workerData } from 'node:worker_threads'
import type { GroupMember, MemberOutcome } from './group-commit.ts'
import { BUSY_RETRY_MS, busyError, WriterCore } from './group-writer.ts'
import { toThreadError } from './thread-error.ts'
import type {
  ThreadOutcome,
  WriterReply,
  WriterRequest,
  WriterThreadData,
} from './worker-writer.ts'

const { settings, busyTimeoutMs } = workerData as WriterThreadData
const port = parentPort
if (port === null) throw new Error('This program runs as a thread only.')

function reply(message: WriterReply): void {
  port?.postMessage(message)
}

function toThreadOutcome(outcome: MemberOutcome): ThreadOutcome {
  return outcome.ok ? outcome : { ok: false, error: toThreadError(outcome.error, settings.path) }
}

/** Waits here when the file is held: the next group must not overtake this one. */
function commit(core: WriterCore, members: readonly GroupMember[]): readonly MemberOutcome[] {
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (let waitedMs = 0; waitedMs <= busyTimeoutMs; waitedMs += BUSY_RETRY_MS) {
    const outcomes = core.commit(members)
    if (outcomes !== 'busy') return outcomes
    Atomics.wait(never, 0, 0, BUSY_RETRY_MS)
  }
  throw busyError(settings.path)
}

function start(): void {
  let core: WriterCore
  try {
    core = new WriterCore(settings)
  } catch (error) {
    reply({ error: toThreadError(error, settings.path) })
    return
  }
  port?.on('message', (request: WriterRequest) => {
    if (request === 'close') {
      core.close()
      reply('closed')
      port?.close()
      return
    }
    try {
      reply({ outcomes: commit(core, request).map(toThreadOutcome) })
    } catch (error) {
      reply({ error: toThreadError(error, settings.path) })
    }
  })
  reply('ready')
}

start()
