import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSystemGroup } from '../../../replication/strong/system-group.ts'
import type { LogGroup } from '../../../replication/strong/log-group.ts'
import { StoreClock } from '../../../src/core/store-clock.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { Directory } from '../../../src/tenancy/directory.ts'
import type { DirectoryCommand } from '../../../src/tenancy/directory-commands.ts'
import { Residency } from '../../../src/tenancy/residency.ts'
import { MemoryCommitLog } from '../../support/memory-commit-log.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { openMemoryStore, replicatedState } from '../../support/strong-region.ts'

interface Region {
  readonly directory: Directory
  readonly group: LogGroup<DirectoryCommand>
  readonly store: MemoryStore
}

const residency = new Residency(['us', 'eu'], { default: ['us', 'eu'], 'eu-only': ['eu'] })
const ACME = { id: 'acme', home: 'eu', tenantClass: 'default' }
let log: MemoryCommitLog
let us: Region
let eu: Region
const opened: Region[] = []

async function open(over: MemoryCommitLog): Promise<Region> {
  const store = await openMemoryStore()
  const group = await openSystemGroup({
    log: over,
    store,
    clock: new StoreClock(systemRuntime.clock),
    runtime: systemRuntime,
    onFailure: (error) => {
      throw error
    },
  })
  const region = { store, group, directory: new Directory({ store, log: group, residency }) }
  opened.push(region)
  return region
}

beforeEach(async () => {
  log = new MemoryCommitLog()
  us = await open(log)
  eu = await open(log)
})

afterEach(async () => {
  for (const { directory, group } of opened.splice(0)) {
    directory.close()
    await group.close()
  }
})

function code(expected: string): unknown {
  return expect.objectContaining({ code: expected })
}

function key(
  region: string,
  generation = 1,
  wrapped = 7,
): { lineage: string; generation: number; region: string; wrapped: Uint8Array } {
  return { lineage: '0a0b0c0d', generation, region, wrapped: Uint8Array.of(wrapped) }
}

describe('the directory', () => {
  it('knows a created tenant in every region', async () => {
    const entry = await us.directory.create(ACME, 't1')
    expect(entry).toEqual({ home: 'eu', epoch: 1, state: 'active', tenantClass: 'default' })
    expect(await eu.directory.lookupFresh('acme')).toEqual(entry)
    expect(await us.directory.lookup('nobody')).toBeUndefined()
    expect(await replicatedState(us.store)).toBe(await replicatedState(eu.store))
  })

  it('does not hold the names of tenants', async () => {
    await us.directory.create(ACME, 't1')
    expect(await replicatedState(us.store)).not.toContain('acme')
    expect(Buffer.from(log.entries.get('system')?.[0]?.payload ?? []).includes('acme')).toBe(false)
  })

  it('creates a tenant once: a retry has the first answer, another creation is refused', async () => {
    const first = await us.directory.create(ACME, 't1')
    expect(await eu.directory.create(ACME, 't1')).toEqual(first)
    await expect(eu.directory.create({ ...ACME, home: 'us' }, 't2')).rejects.toEqual(
      code('TENANT_EXISTS'),
    )
    await expect(eu.directory.create({ ...ACME, home: 'us' }, 't1')).rejects.toEqual(
      code('IDEMPOTENCY_REUSED'),
    )
    expect(await us.directory.lookupFresh('acme')).toEqual(first)
  })

  it('lets one of two concurrent creations win', async () => {
    const results = await Promise.allSettled([
      us.directory.create({ ...ACME, home: 'us' }, 't1'),
      eu.directory.create(ACME, 't2'),
    ])
    expect(results.map((r) => r.status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(await us.directory.lookupFresh('acme')).toEqual(await eu.directory.lookupFresh('acme'))
  })

  it.each([
    ['an unknown class', { ...ACME, tenantClass: 'secret' }, 'RESIDENCY_DENIED'],
    [
      'a home outside its class',
      { ...ACME, tenantClass: 'eu-only', home: 'us' },
      'RESIDENCY_DENIED',
    ],
    ['an unknown home', { ...ACME, home: 'mars' }, 'REGION_UNKNOWN'],
    ['an empty id', { ...ACME, id: '' }, 'INVALID_ARGUMENT'],
    ['a NUL in its id', { ...ACME, id: 'a\0b' }, 'INVALID_ARGUMENT'],
    ['an id that is too long', { ...ACME, id: 'x'.repeat(129) }, 'INVALID_ARGUMENT'],
  ])('refuses a tenant with %s, and sends nothing', async (_name, tenant, expected) => {
    await expect(us.directory.create(tenant, 't1')).rejects.toEqual(code(expected))
    expect(log.appends).toBe(0)
  })

  it('catches up on demand with what was created elsewhere', async () => {
    const late = new MemoryCommitLog()
    late.held = true
    late.entries.set('system', [])
    const behind = await open(late)
    await us.directory.create(ACME, 't1')
    late.entries.get('system')?.push(...(log.entries.get('system') ?? []))
    expect(await behind.directory.lookup('acme')).toBeUndefined()
    const fresh = behind.directory.lookupFresh('acme')
    late.held = false
    late.deliver()
    expect((await fresh)?.home).toBe('eu')
    late.held = true
    late.entries.get('system')?.push({ index: 2, id: 'never', payload: Uint8Array.of() })
    await expect(behind.directory.lookupFresh('acme', 20)).rejects.toEqual(
      code('DEADLINE_EXCEEDED'),
    )
  })

  it('reads a tenant once, and again after a command about it', async () => {
    await us.directory.create(ACME, 't1')
    await us.directory.lookup('acme')
    const { reads } = us.store
    await us.directory.lookup('acme')
    expect(us.store.reads).toBe(reads)
    await us.directory.putKeys('acme', [key('eu')])
    const after = us.store.reads
    await us.directory.lookup('acme')
    expect(us.store.reads).toBe(after + 1)
  })

  it('does not remember a read that a command overtook', async () => {
    await us.directory.create(ACME, 't1')
    const racing = us.directory.lookup('acme')
    await us.directory.putKeys('acme', [key('eu')])
    await racing
    const { reads } = us.store
    await us.directory.lookup('acme')
    expect(us.store.reads).toBe(reads + 1)
  })

  it('tells which tenants strong tables may hold (rule 22)', async () => {
    await us.directory.create(ACME, 't1')
    await us.directory.create({ id: 'berlin', home: 'eu', tenantClass: 'eu-only' }, 't2')
    await us.directory.requireEverywhere('acme')
    await expect(us.directory.requireEverywhere('berlin')).rejects.toEqual(code('RESIDENCY_DENIED'))
    await expect(us.directory.requireEverywhere('nobody')).rejects.toEqual(code('TENANT_NOT_FOUND'))
  })
})

describe('keys of a tenant', () => {
  it('are stored once a generation: the first wins, everybody gets what is stored', async () => {
    await us.directory.create(ACME, 't1')
    const mine = [key('eu'), key('us')]
    expect(await us.directory.putKeys('acme', mine)).toEqual(mine)
    expect(await eu.directory.putKeys('acme', [key('eu', 1, 9)])).toEqual(mine)
    await eu.directory.putKeys('acme', [key('eu', 2, 9)])
    expect(await eu.directory.keys('acme')).toEqual([...mine, key('eu', 2, 9)])
  })

  it('exist for the global scope without a tenant', async () => {
    await us.directory.putKeys('', [key('us')])
    expect(await us.directory.keys('')).toEqual([key('us')])
  })

  it.each([
    ['of no tenant', 'nobody', [key('eu')], 'TENANT_NOT_FOUND'],
    ['for a region outside the class', 'berlin', [key('us')], 'RESIDENCY_DENIED'],
    ['of two generations', 'berlin', [key('eu', 1), key('us', 2)], 'INVALID_ARGUMENT'],
    ['twice for a region', 'berlin', [key('eu'), key('eu')], 'INVALID_ARGUMENT'],
    ['that are none', 'berlin', [], 'INVALID_ARGUMENT'],
  ])('are refused: %s', async (_name, tenant, keys, expected) => {
    await us.directory.create({ id: 'berlin', home: 'eu', tenantClass: 'eu-only' }, 't1')
    await expect(us.directory.putKeys(tenant, keys)).rejects.toEqual(code(expected))
    expect(await us.directory.keys('berlin')).toEqual([])
  })
})
