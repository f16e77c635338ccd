/** `npx tsx scripts/services/main.ts`: an etcd, a Kafka and a Redis for manual use. */
import { parseArgs } from 'node:util'
import { ENGINE_KINDS, ENGINE_NEEDS } from './engine-kinds.ts'
import { openServices } from './open-services.ts'

const HELP = `Usage: npx tsx scripts/services/main.ts [up] [--json] [--help]

Starts an etcd, a Kafka and a Redis on free ports, with data in temporary folders, and prints where
they are. Ctrl-C, or the end of its input, ends them; so does any end of this program.

As root on Debian it installs what is missing. To use engines that already run, name them:
${ENGINE_KINDS.map((kind) => `  ${ENGINE_NEEDS[kind].variable}=host:port`).join('\n')}`

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
if (positionals.some((word) => word !== 'up') || positionals.length > 1) {
  console.error(`There is no ${positionals.join(' ')}.\n\n${HELP}`)
  process.exit(2)
}

const ended = untilEnd()
const opened = await openServices(ENGINE_KINDS, (line) => console.error(line))
for (const { kind, address, from } of opened.services) {
  const { variable } = ENGINE_NEEDS[kind]
  console.log(
    values.json ? JSON.stringify({ kind, address, from }) : `export ${variable}=${address}`,
  )
}
for (const [kind, reason] of opened.missing) {
  console.error(`${ENGINE_NEEDS[kind].title}: ${reason}`)
  process.exitCode = 1
}
if (opened.missing.size === 0) {
  console.log(values.json ? JSON.stringify({ event: 'ready' }) : '# Ready. Ctrl-C ends them.')
  await ended
}
await opened.close()
process.stdin.destroy()

/** Resolves at a signal, or when whoever started this has closed its input. */
function untilEnd(): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => resolve()
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        done()
        // The second one ends it at once; the keeper sees to the engines.
        process.on(name, () => process.exit(1))
      })
    }
    process.stdin.once('end', done)
    process.stdin.once('close', done)
    process.stdin.resume()
  })
}
