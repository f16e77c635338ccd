/** `meridian history` on real engines: nodes are killed, regions cut off, and the checkers pass. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { parseHistory } from '../../../replication/verify/history.ts'
import { canChangeHosts } from '../../../src/cluster/member-distances.ts'
import { startProgram } from '../../support/program.ts'

/** Fifteen processes start, one of them twice; the machine may be busy with other tests. */
const TIMEOUT_MS = 600_000
const SECONDS = 15

const Summary = z.object({
  isComplete: z.boolean(),
  problem: z.string().nullable(),
  faults: z.record(z.string(), z.object({ begun: z.number(), healed: z.number() })),
  verdicts: z.array(
    z.object({ ok: z.boolean(), checked: z.number(), undecided: z.array(z.string()) }),
  ),
})

// Distances between members of etcd take root.
describe.runIf(canChangeHosts())('on real engines', { timeout: TIMEOUT_MS }, () => {
  test('transactions are strictly serializable while nodes are killed and links cut', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meridian-history-engines-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const out = join(folder, 'history.jsonl')
    const { code, stdout, stderr } = await startProgram('src/cli/main.ts', [
      ...['history', '--workload', 'list-append', '--engines', 'real', '--seconds', `${SECONDS}`],
      ...['--nemesis', 'kill-node,partition', '--out', out, '--json'],
    ]).ended
    expect(code, `${stdout}\n${stderr}`).toBe(0)
    const { isComplete, problem, faults, verdicts } = Summary.parse(JSON.parse(stdout))
    expect({ isComplete, problem }).toEqual({ isComplete: true, problem: null })
    for (const kind of ['kill-node', 'partition']) {
      expect(faults[kind]?.begun, kind).toBeGreaterThan(0)
      expect(faults[kind]?.healed, kind).toBe(faults[kind]?.begun)
    }
    for (const { ok, checked, undecided } of verdicts) {
      expect(ok).toBe(true)
      expect(checked).toBeGreaterThan(0)
      expect(undecided).toEqual([])
    }
    const events = parseHistory(readFileSync(out, 'utf8'))
    const ended = events.filter(({ type }) => type === 'ok').length
    expect(ended).toBeGreaterThan(SECONDS)
    expect(events.filter(({ f }) => f === 'state')).toHaveLength(3)
  })
})
