/** The ports of a cluster, kept in its folder: members of etcd know each other by them for good. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { MeridianError } from '../core/errors.ts'
import { freePorts } from './engines/free-ports.ts'
import { portNames, type ClusterPorts, type ClusterShape } from './layout.ts'

const FILE = 'cluster.json'

const SavedCluster = z.object({
  regions: z.array(z.string()),
  ports: z.record(z.string(), z.int().positive()),
})

/**
 * The ports that the folder's cluster had before, and free ones for what is new.
 *
 * @throws MeridianError `CONFIG_INVALID` where the folder belongs to a cluster of other regions
 */
export async function openPorts(shape: ClusterShape, directory: string): Promise<ClusterPorts> {
  const file = join(directory, FILE)
  const saved = await readSaved(file)
  if (saved !== undefined && saved.regions.join() !== shape.regions.join()) {
    throw new MeridianError(
      'CONFIG_INVALID',
      `${directory} holds a cluster of ${saved.regions.join(', ')}.`,
      { fix: 'Take another folder, or delete this one.' },
    )
  }
  const names = portNames(shape)
  const before = saved?.ports ?? {}
  const missing = names.filter((name) => before[name] === undefined)
  const fresh = await freePorts(missing.length)
  const ports = {
    ...before,
    ...Object.fromEntries(missing.map((name, i) => [name, fresh[i] ?? 0])),
  }
  await writeFile(file, `${JSON.stringify({ regions: shape.regions, ports }, null, 2)}\n`)
  return ports
}

async function readSaved(file: string): Promise<z.infer<typeof SavedCluster> | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch {
    return undefined
  }
  try {
    return SavedCluster.parse(JSON.parse(text))
  } catch (cause) {
    throw new MeridianError('CONFIG_INVALID', `${file} is no description of a cluster.`, {
      fix: 'Take another folder, or delete this one.',
      cause,
    })
  }
}
