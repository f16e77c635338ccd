import { describe, expect, test } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { KEY_LEASE_MS } from '../../../src/crypto/tenant-keys.ts'
import { keyWrapper, ManualClock, MemoryDirectory, regionOf, REGIONS } from './support.ts'

const unknown = { lineage: 'ffffffff', generation: 1 }

describe('the first key of a tenant', () => {
  test('is wrapped for each region that may decrypt, and for no other', async () => {
    const directory = new MemoryDirectory()
    await regionOf({
      directory,
      wrapper: keyWrapper(['eu-west', 'us-east', 'ap-south']),
    }).keys.forEncryption('acme')
    expect(directory.keys.get('acme')?.map((copy) => copy.region)).toEqual(REGIONS)
  })

  test('is recorded before it is used, and serves every region that may decrypt', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const here = await regionOf({ directory, wrapper }).keys.forEncryption('acme')
    const there = regionOf({ directory, wrapper, region: 'us-east' })
    expect((await there.keys.forDecryption('acme', here.id))?.id).toEqual(here.id)
  })

  test('is one key when two regions create it at once: both use the winner', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const here = regionOf({ directory, wrapper })
    const there = regionOf({ directory, wrapper, region: 'us-east' })
    const [one, two] = await Promise.all([
      here.keys.forEncryption('acme'),
      there.keys.forEncryption('acme'),
    ])
    expect(directory.creations).toBe(2)
    expect(one.id).toEqual(two.id)
    expect(directory.keys.get('acme')?.[0]).toMatchObject(one.id)
  })

  test('is not created where the tenant may not be decrypted', async () => {
    const directory = new MemoryDirectory()
    const { keys } = regionOf({ directory, decryptRegions: async () => ['us-east'] })
    await expect(keys.forEncryption('acme')).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      retry: 'never',
    })
    expect(directory.creations).toBe(0)
  })

  test('is not created when a region that may decrypt has no wrapping key', async () => {
    const directory = new MemoryDirectory()
    const { keys } = regionOf({ directory, wrapper: keyWrapper(['eu-west']) })
    await expect(keys.forEncryption('acme')).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' })
    expect(directory.creations).toBe(0)
  })
})

describe('a region without a wrapped copy', () => {
  test('is told that it may not decrypt, without a call to the key service', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper(['eu-west', 'us-east', 'ap-south'])
    const { id } = await regionOf({ directory, wrapper }).keys.forEncryption('acme')
    wrapper.unwrapped.length = 0
    const { keys } = regionOf({ directory, wrapper, region: 'ap-south' })
    for (const call of [keys.forDecryption('acme', id), keys.forEncryption('acme')]) {
      await expect(call).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE', retry: 'never' })
    }
    expect(wrapper.unwrapped).toEqual([])
  })

  test('a region asks the key service only for its own copy', async () => {
    const wrapper = keyWrapper()
    await regionOf({ wrapper, region: 'us-east' }).keys.forEncryption('acme')
    expect(wrapper.unwrapped.map((context) => context.region)).toEqual(['us-east'])
  })
})

describe('the cache of keys', () => {
  test('many callers at once make one read, one creation and one unwrapping', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const { keys } = regionOf({ directory, wrapper })
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) =>
        i % 2 === 0 ? keys.forEncryption('acme') : keys.forBlindIndex('acme'),
      ),
    )
    expect(directory.asked).toHaveLength(1)
    expect(directory.creations).toBe(1)
    expect(wrapper.unwrapped).toHaveLength(1)
  })

  test('keys serve for the lease, and are read and unwrapped again after it', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const clock = new ManualClock()
    const { keys } = regionOf({ directory, wrapper, clock })
    await keys.forEncryption('acme')
    clock.advance(KEY_LEASE_MS - 1)
    await keys.forEncryption('acme')
    expect(wrapper.unwrapped).toHaveLength(1)
    clock.advance(1)
    await keys.forEncryption('acme')
    expect(wrapper.unwrapped).toHaveLength(2)
    expect(directory.asked).toHaveLength(2)
  })

  test.each(['directory', 'key service'])(
    'fails closed: no key is used after its lease while the %s is out of reach',
    async (part) => {
      const directory = new MemoryDirectory()
      const wrapper = keyWrapper()
      const clock = new ManualClock()
      const { keys } = regionOf({ directory, wrapper, clock })
      const { id } = await keys.forEncryption('acme')
      const failure = new MeridianError('KEY_UNAVAILABLE', 'out of reach')
      if (part === 'key service') wrapper.failure = failure
      else directory.before = async () => Promise.reject(failure)
      await keys.forEncryption('acme')
      clock.advance(KEY_LEASE_MS)
      for (const call of [keys.forEncryption('acme'), keys.forDecryption('acme', id)]) {
        await expect(call).rejects.toBe(failure)
      }
      wrapper.failure = undefined
      directory.before = async () => undefined
      expect((await keys.forEncryption('acme')).id).toEqual(id)
    },
  )

  test('destroyed keys are refused once the lease is over', async () => {
    const directory = new MemoryDirectory()
    const clock = new ManualClock()
    const { keys } = regionOf({ directory, clock })
    const { id } = await keys.forEncryption('acme')
    directory.before = async () => {
      throw new MeridianError('KEY_DESTROYED', 'destroyed')
    }
    clock.advance(KEY_LEASE_MS)
    for (const call of [keys.forEncryption('acme'), keys.forDecryption('acme', id)]) {
      await expect(call).rejects.toMatchObject({ code: 'KEY_DESTROYED' })
    }
  })

  test('a read that takes longer than the lease gives no key', async () => {
    const directory = new MemoryDirectory()
    const clock = new ManualClock()
    const { keys } = regionOf({ directory, clock })
    directory.before = async () => clock.advance(KEY_LEASE_MS)
    await expect(keys.forEncryption('acme')).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      retry: 'safe',
    })
  })

  test('a failed read is not remembered', async () => {
    const directory = new MemoryDirectory()
    const { keys } = regionOf({ directory })
    directory.before = async () => Promise.reject(new Error('down'))
    await expect(keys.forEncryption('acme')).rejects.toThrow('down')
    directory.before = async () => undefined
    expect((await keys.forEncryption('acme')).id.generation).toBe(1)
  })

  test('beyond its size, the tenant that was used longest ago goes first', async () => {
    const directory = new MemoryDirectory()
    const { keys } = regionOf({ directory, maxTenants: 2 })
    for (const tenant of ['a', 'b', 'a', 'c']) await keys.forEncryption(tenant)
    directory.asked.length = 0
    for (const tenant of ['a', 'c', 'b']) await keys.forEncryption(tenant)
    expect(directory.asked.map((call) => call.tenant)).toEqual(['b'])
  })

  test('the bytes of a data key are overwritten once it is imported', async () => {
    const wrapper = keyWrapper()
    const { keys } = regionOf({ wrapper })
    await keys.forEncryption('acme')
    expect(wrapper.secrets).toEqual([new Uint8Array(32)])
  })

  test('two tenants never share a key', async () => {
    const { keys } = regionOf()
    const [one, two] = await Promise.all([keys.forEncryption('a'), keys.forEncryption('b')])
    expect(one.id.lineage).not.toBe(two.id.lineage)
  })
})

describe('a key that the cache does not know', () => {
  test('is looked up afresh: a cell may arrive before its key does', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const reader = regionOf({ directory, wrapper, region: 'us-east' })
    // The reader has looked before there was any key.
    expect(await reader.keys.forDecryption('acme', unknown)).toBeUndefined()
    const { id } = await regionOf({ directory, wrapper }).keys.forEncryption('acme')
    directory.asked.length = 0
    expect((await reader.keys.forDecryption('acme', id))?.id).toEqual(id)
    expect(directory.asked).toEqual([{ tenant: 'acme', fresh: true }])
  })

  test('is not sought in an answer that was under way before the question', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const { keys } = regionOf({ directory, wrapper })
    await keys.forEncryption('acme')
    // A fresh read is sent, and its answer held back; then the key is created.
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    directory.before = async () => gate
    const first = keys.forDecryption('acme', unknown)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(directory.asked.at(-1)).toEqual({ tenant: 'acme', fresh: true })
    await directory.rotate('acme', wrapper, REGIONS)
    const { lineage } = directory.keys.get('acme')![0]!
    const second = keys.forDecryption('acme', { lineage, generation: 2 })
    release()
    expect(await first).toBeUndefined()
    expect((await second)?.id.generation).toBe(2)
  })

  test('callers who wait for a fresh answer share it', async () => {
    const directory = new MemoryDirectory()
    const { keys } = regionOf({ directory })
    await keys.forEncryption('acme')
    directory.asked.length = 0
    await Promise.all(Array.from({ length: 20 }, async () => keys.forDecryption('acme', unknown)))
    expect(directory.asked.length).toBeLessThanOrEqual(2)
  })

  test('after a rotation the newest generation encrypts and the oldest indexes', async () => {
    const directory = new MemoryDirectory()
    const wrapper = keyWrapper()
    const clock = new ManualClock()
    const { keys } = regionOf({ directory, wrapper, clock })
    await keys.forEncryption('acme')
    await directory.rotate('acme', wrapper, REGIONS)
    clock.advance(KEY_LEASE_MS)
    expect((await keys.forEncryption('acme')).id.generation).toBe(2)
    expect((await keys.forBlindIndex('acme')).id.generation).toBe(1)
  })
})
