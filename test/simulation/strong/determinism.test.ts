import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { simulate } from './simulation.ts'

const SOAK = fileURLToPath(new URL('../programs/soak.ts', import.meta.url))
const FROM = 7
const SEEDS = 6

async function hashesOfAnotherProcess(): Promise<string[]> {
  const run = promisify(execFile)
  const range = ['--from', String(FROM), '--seeds', String(SEEDS)]
  const { stdout } = await run(process.execPath, ['--import', 'tsx', SOAK, '--hash', ...range])
  return stdout.trim().split('\n')
}

describe('a seed', () => {
  it('gives the same run in another process, and after other runs in this one', async () => {
    const hashes: string[] = []
    // The other way round: what ran before leaves nothing behind.
    for (let seed = FROM + SEEDS - 1; seed >= FROM; seed--) {
      const { hash } = await simulate({ seed })
      hashes.unshift(`${seed} ${hash}`)
    }
    expect(await hashesOfAnotherProcess()).toEqual(hashes)
    expect(new Set(hashes.map((line) => line.split(' ')[1])).size).toBe(SEEDS)
  })
})
