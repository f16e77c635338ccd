/** Starts a primary and a standby, says what it started, and waits to be killed. */
import { startPostgresql, startPostgresqlStandby } from '../../../src/cluster/engines/postgresql.ts'

const primary = await startPostgresql({ standbys: ['b'], quorum: 1 })
const standby = await startPostgresqlStandby({ name: 'b', primary })
for (const { pid, directory } of [primary, standby]) {
  console.log(JSON.stringify({ pid, directory }))
}
console.log('ready')
process.stdin.resume()
