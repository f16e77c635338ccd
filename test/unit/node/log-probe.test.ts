import { describe, expect, it } from 'vitest'
import type { LogGroupStatus } from '../../../replication/strong/log-group-options.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { Clock } from '../../../src/core/ports/runtime.ts'
import type { RegionLogGroupStatus } from '../../../src/node/log-retention.ts'
import { probeGroups, type LogGroupProbe, type ProbedGroup } from '../../../src/node/log-probe.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'

const WHOLE: LogGroupStatus = {
  group: 'main',
  applied: 7,
  logEnd: 7,
  machineVersion: 1,
  schemaVersion: 1,
  reseeding: undefined,
  error: null,
  digests: { agreedIndex: null, verifiedIndex: null, differs: null, divergences: 0 },
}

function group(
  parts: Partial<ProbedGroup>,
  status: () => Partial<LogGroupStatus> = () => ({}),
): ProbedGroup {
  return {
    status: () => ({ ...WHOLE, ...status() }),
    readIndex: () => Promise.resolve(7),
    waitApplied: () => Promise.reject(new Error('asked for')),
    ...parts,
  }
}

async function probeGroup(
  one: ProbedGroup,
  kept: RegionLogGroupStatus | undefined,
  clock: Clock,
): Promise<LogGroupProbe> {
  const [probe] = await probeGroups([one], kept === undefined ? [] : [kept], clock)
  return probe as LogGroupProbe
}

describe('a group beside the log', () => {
  it('that has all of it is not behind', async () => {
    const runtime = new ManualRuntime()
    const readIndex = async (): Promise<number> => {
      await runtime.advance(80)
      return 7
    }
    const kept = {
      ...{ group: 'main', applied: 7, logEnd: 7, reseeding: null },
      retainedFrom: 5,
      leftBehind: ['mars'],
      digests: WHOLE.digests,
    }
    expect(await probeGroup(group({ readIndex }), kept, runtime.clock)).toEqual({
      group: 'main',
      applied: 7,
      logEnd: 7,
      machineVersion: 1,
      schemaVersion: 1,
      lagRecords: 0,
      lagMs: 0,
      readIndexMs: 80,
      retainedFrom: 5,
      leftBehind: ['mars'],
      reseeding: null,
      stopped: null,
      logError: null,
      digests: WHOLE.digests,
    })
  })

  it('that is behind says by how many records, and for how long', async () => {
    const runtime = new ManualRuntime()
    let applied = 7
    const probed = group(
      {
        readIndex: () => Promise.resolve(12),
        waitApplied: async () => {
          await runtime.advance(35)
          applied = 12
        },
      },
      () => ({ applied }),
    )
    expect(await probeGroup(probed, undefined, runtime.clock)).toMatchObject({
      applied: 12,
      logEnd: 12,
      lagRecords: 5,
      lagMs: 35,
      retainedFrom: null,
    })
  })

  it('that does not catch up while it is watched has no ms', async () => {
    const late = group({
      readIndex: () => Promise.resolve(12),
      waitApplied: () => Promise.reject(new MeridianError('DEADLINE_EXCEEDED', 'Too late.')),
    })
    expect(await probeGroup(late, undefined, new ManualRuntime().clock)).toMatchObject({
      lagRecords: 5,
      lagMs: null,
      stopped: null,
      logError: null,
    })
  })

  it('says why the log gives no answer, and keeps what is known of its end', async () => {
    const away = group(
      { readIndex: () => Promise.reject(new MeridianError('LOG_UNAVAILABLE', 'Away.')) },
      () => ({ logEnd: 9 }),
    )
    expect(await probeGroup(away, undefined, new ManualRuntime().clock)).toMatchObject({
      logEnd: 9,
      lagRecords: 2,
      lagMs: null,
      readIndexMs: null,
      logError: { code: 'LOG_UNAVAILABLE' },
    })
  })

  it('that has stopped says why, once', async () => {
    const error = new MeridianError('LOG_GAP', 'A record is missing.')
    const stopped = group({ readIndex: () => Promise.reject(error) }, () => ({ error }))
    const probe = await probeGroup(stopped, undefined, new ManualRuntime().clock)
    expect(probe).toMatchObject({ stopped: { code: 'LOG_GAP' }, logError: null })
  })

  it('that is being seeded says from where and how far it is', async () => {
    const seeded = group(
      { readIndex: () => Promise.reject(new MeridianError('LOG_UNAVAILABLE', 'Seeded.')) },
      () => ({ reseeding: { peer: 'us-east', parts: 4, failures: { mars: 'no such region' } } }),
    )
    expect(await probeGroup(seeded, undefined, new ManualRuntime().clock)).toMatchObject({
      reseeding: { from: 'us-east', parts: 4, failures: { mars: 'no such region' } },
      logError: null,
    })
  })
})
