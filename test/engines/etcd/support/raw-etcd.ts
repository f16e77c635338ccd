/** etcd past the driver: what an operator or another program does to it. */
import { Etcd3 } from 'etcd3'
import { onTestFinished } from 'vitest'

/** A client of its own; it is closed with the test. */
export function rawEtcd(address: string): Etcd3 {
  const client = new Etcd3({ hosts: address })
  onTestFinished(() => client.close())
  return client
}

/** Compacts everything below the present revision. */
export async function compactNow(client: Etcd3): Promise<number> {
  const { header } = await client.kv.range({ key: Buffer.from('x'), count_only: true })
  const revision = Number(header.revision)
  await client.kv.compact({ revision, physical: true })
  return revision
}

/** The revision below which everything is compacted; 0 while nothing is. */
export async function compactedBelow(client: Etcd3): Promise<number> {
  const read = (revision: number): Promise<unknown> =>
    client.kv.range({ key: Buffer.from('x'), count_only: true, revision })
  const { header } = await client.kv.range({ key: Buffer.from('x'), count_only: true })
  let [low, high] = [1, Number(header.revision)]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const isKept = await read(middle).then(
      () => true,
      () => false,
    )
    if (isKept) high = middle
    else low = middle + 1
  }
  return low === 1 ? 0 : low
}
