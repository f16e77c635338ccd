/**
 * Loaded into each process of a deployment by `commit-cpu.ts`: SIGUSR2 begins a CPU profile, the
 * next one writes it to the folder that MERIDIAN_BENCH_PROFILES names.
 */
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

const SAMPLING_INTERVAL_US = 500
const folder = process.env['MERIDIAN_BENCH_PROFILES']

if (isMainThread && folder !== undefined) {
  let session
  process.on('SIGUSR2', () => {
    if (session === undefined) {
      session = new Session()
      session.connect()
      session.post('Profiler.enable')
      session.post('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_US })
      session.post('Profiler.start')
      return
    }
    const ended = session
    session = undefined
    ended.post('Profiler.stop', (error, stopped) => {
      if (error === null) {
        const file = `${process.argv[2]}-${process.pid}.cpuprofile`
        writeFileSync(join(folder, file), JSON.stringify(stopped.profile))
      }
      ended.disconnect()
    })
  })
}
