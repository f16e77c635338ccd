/** Starts engines, says what it started, and waits to be killed: `engine-parent.ts etcd redis`. */
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import { startKafka } from '../../../src/cluster/engines/kafka.ts'
import { startRedis } from '../../../src/cluster/engines/redis.ts'

const START = { etcd: startEtcd, kafka: startKafka, redis: startRedis }

const kinds = process.argv.slice(2) as readonly (keyof typeof START)[]
const engines = await Promise.all(kinds.map((kind) => START[kind]()))
for (const { name, pid, directory } of engines)
  console.log(JSON.stringify({ name, pid, directory }))
console.log('ready')
process.stdin.resume()
