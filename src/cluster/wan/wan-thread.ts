/** Program of the thread in which the proxies of an emulated network run. */
import { parentPort, workerData } from 'node:worker_threads'
import { MeridianError, toWireError } from '../../core/errors.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { Links, type LinkSpec } from './links.ts'
import { preciseTimers } from './precise-timers.ts'
import { preferThisThread } from './thread-priority.ts'
import type { WanCall, WanReply, WanRequest, WanThreadData } from './wan-messages.ts'

const { seed } = workerData as WanThreadData
const port = parentPort
if (port === null) throw new Error('This program runs as a thread only.')
preferThisThread()
const { clock } = systemRuntime
const links = new Links({ seed, timers: preciseTimers(clock), clock })

async function openLink(spec: LinkSpec): Promise<string> {
  try {
    return await links.open(spec)
  } catch (cause) {
    const at = spec.host === undefined ? '' : ` at ${spec.host}:${spec.port ?? 0}`
    const reason = (cause as Error).message
    throw new MeridianError(
      'REGION_UNREACHABLE',
      `The emulated network cannot listen${at}: ${reason}.`,
      { fix: 'Take a port that nobody has, and an address of the loopback interface.', cause },
    )
  }
}

async function answer(call: WanCall): Promise<unknown> {
  switch (call.kind) {
    case 'open':
      return openLink(call)
    case 'aim':
      return links.aim(call.link, call.target)
    case 'impair':
      return links.impair(call.from, call.to, call.oneWayMs, call.impairment)
    case 'partition':
      return links.partition(call.a, call.b, call.mode)
    case 'heal':
      return links.heal(call.a, call.b)
    case 'bytes':
      return links.bytes()
    case 'close':
      return links.close()
  }
}

port.on('message', ({ id, call }: WanRequest) => {
  void answer(call)
    .then(
      (value): WanReply => ({ id, value }),
      (error: unknown): WanReply => ({ id, error: toWireError(error) }),
    )
    .then((reply) => {
      port.postMessage(reply)
      if (call.kind === 'close') port.close()
    })
})
