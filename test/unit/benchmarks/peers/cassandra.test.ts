/** How rows are placed in Cassandra. */
import { expect, it } from 'vitest'
import { replication } from '../../../../benchmarks/peers/cassandra/client.ts'

it('every data center has a replica', () => {
  expect(replication(['us-east', "o'hare"])).toBe(
    "{'class': 'NetworkTopologyStrategy', 'us-east': 1, 'o''hare': 1}",
  )
})
