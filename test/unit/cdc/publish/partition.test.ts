import fc from 'fast-check'
import { Partitioners, type PartitionMetadata } from 'kafkajs'
import { expect, test } from 'vitest'
import { partitionOf } from '../../../../cdc/publish/partition.ts'

/** What kafkajs does, as the Java client does it. */
function reference(key: Uint8Array, partitions: number): number {
  const partitionMetadata = Array.from(
    { length: partitions },
    (_, partitionId): PartitionMetadata => ({
      partitionErrorCode: 0,
      partitionId,
      leader: 1,
      replicas: [1],
      isr: [1],
    }),
  )
  const message = { key: Buffer.from(key), value: null }
  return Partitioners.DefaultPartitioner()({ topic: 'any', partitionMetadata, message })
}

test('a key has the partition that stock clients give it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (key, count) => {
      expect(partitionOf(key, count)).toBe(reference(key, count))
    }),
    { numRuns: 2000 },
  )
})

test('a key that is a part of a larger buffer counts alone', () => {
  const whole = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(partitionOf(whole.subarray(3, 8), 17)).toBe(reference(whole.slice(3, 8), 17))
})
