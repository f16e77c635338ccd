/** What it costs to have a write on disk, in the folder where the data of a deployment is. */
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { quantile } from './quantiles.ts'

const WRITE_BYTES = 4096
/** Enough for a p99. */
const WRITES = 1000
/** A slow disk is known to be one after this long. */
const LONGEST_MS = 5000

/** Latencies of a write of 4 kB at the end of a file and the `fdatasync` after it. */
export interface FsyncLatency {
  readonly n: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export interface FsyncOptions {
  readonly writes?: number
  readonly longestMs?: number
}

/** Writes a file in `directory` and removes it. @throws what the file system says */
export async function measureFsync(
  directory: string,
  { writes = WRITES, longestMs = LONGEST_MS }: FsyncOptions = {},
): Promise<FsyncLatency> {
  const path = join(directory, `fsync-${randomBytes(6).toString('hex')}`)
  const latenciesMs: number[] = []
  const page = randomBytes(WRITE_BYTES)
  const file = openSync(path, 'wx')
  try {
    const endMs = performance.now() + longestMs
    while (latenciesMs.length < writes && performance.now() < endMs) {
      const startMs = performance.now()
      // Not by promises: their way through the thread pool would be measured too.
      writeSync(file, page)
      fdatasyncSync(file)
      latenciesMs.push(performance.now() - startMs)
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
  const ascending = Float64Array.from(latenciesMs).sort()
  return {
    n: ascending.length,
    p50Ms: rounded(quantile(ascending, 0.5)),
    p99Ms: rounded(quantile(ascending, 0.99)),
  }
}

/** To microseconds. */
function rounded(valueMs: number | null): number | null {
  return valueMs === null ? null : Math.round(valueMs * 1000) / 1000
}
