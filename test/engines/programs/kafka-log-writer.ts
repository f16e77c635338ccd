/**
 * Appends one change after another to a Kafka change log, as a relay does: after a failure it asks
 * where the log ends. Prints `acknowledged N`, and says so if it arms a timer that lies in the past,
 * which newer Nodes warn of. Ends with its input.
 *
 *   kafka-log-writer.ts <broker> <topic>
 */
import { setTimeout as pause } from 'node:timers/promises'
import { openKafka } from '../../../src/drivers/kafka/kafka-engine.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'

const [broker = '', topic = ''] = process.argv.slice(2)
const arm = globalThis.setTimeout
globalThis.setTimeout = ((callback: () => void, delayMs?: number, ...rest: unknown[]) => {
  if ((delayMs ?? 0) < 0) console.error(`a timer in the past: ${delayMs}`)
  return arm(callback, delayMs, ...(rest as []))
}) as typeof setTimeout

const engine = openKafka({
  brokers: [broker],
  clientId: 'writer',
  runtime: systemRuntime,
  log: { write: (level, event) => level === 'error' && console.error(event) },
})
const log = engine.changeLog({ topic, replicationFactor: 1 })
let isEnding = false
process.stdin.on('end', () => (isEnding = true)).resume()
console.log('started')
let position: number | undefined = undefined
while (!isEnding) {
  try {
    position ??= await log.end()
    const next: number = position + 1
    // As the conformance suite's records are.
    await log.append([{ position: next, payload: new Uint8Array(next % 7).fill(next) }])
    position = next
    console.log(`acknowledged ${position}`)
  } catch {
    position = undefined
    await pause(50)
  }
}
await log.close()
await engine.close()
console.log('ended')
