/** The engines that all files share are there, and answer clients. */
import { Etcd3 } from 'etcd3'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import { expect, it } from 'vitest'
import { engines } from '../../support/engines.ts'

it('etcd answers', async () => {
  const etcd = new Etcd3({ hosts: engines().etcd.endpoint })
  expect(await etcd.maintenance.status()).toHaveProperty('version')
  etcd.close()
})

it('Kafka answers', async () => {
  const client = new Kafka({ brokers: [engines().kafka.broker], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  expect((await admin.describeCluster()).brokers).toHaveLength(1)
  await admin.disconnect()
})

it('Redis answers', async () => {
  const redis = new Redis(`redis://${engines().redis.address}`)
  expect(await redis.ping()).toBe('PONG')
  redis.disconnect()
})
