/** Starts an engine of each kind, says what it started, and waits to be killed. */
import { startEtcd } from '../../../src/cli/cluster/engines/etcd.ts'
import { startKafka } from '../../../src/cli/cluster/engines/kafka.ts'
import { startRedis } from '../../../src/cli/cluster/engines/redis.ts'

const engines = await Promise.all([startEtcd(), startRedis(), startKafka()])
for (const { name, pid, directory } of engines)
  console.log(JSON.stringify({ name, pid, directory }))
console.log('ready')
process.stdin.resume()
