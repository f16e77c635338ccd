/** Checks the sections that name engines: what a shape alone cannot say. */
import { requireRegion } from './check-regions.ts'
import type { ConfigFile } from './config-schema.ts'
import type { ConfigSource } from './config-source.ts'
import type { KafkaConfig, RedisConfig } from './engine-sections.ts'

/** The sections, with nothing left out. */
export interface EngineSections {
  readonly changeLogs: Readonly<Record<string, KafkaConfig>>
  readonly caches: Readonly<Record<string, RedisConfig>>
}

/** @throws MeridianError `CONFIG_INVALID` */
export function checkEngines(source: ConfigSource, raw: ConfigFile): EngineSections {
  const { changeLogs = {}, caches = {} } = raw
  const sections = { changeLogs, caches }
  for (const [section, byRegion] of Object.entries(sections)) {
    for (const region of Object.keys(byRegion)) {
      requireRegion(source, [section, region], raw.regions, region)
    }
  }
  const members = raw.commitLog.etcd?.members
  if (members !== undefined) {
    for (const region of Object.keys(members)) {
      requireRegion(source, ['commitLog', 'etcd', 'members', region], raw.regions, region)
    }
    if (Object.keys(members).length === 0) {
      const fix = 'Name at least one member: `members: { REGION: [host:port] }`.'
      throw source.invalid(['commitLog', 'etcd', 'members'], 'names no member', fix)
    }
  }
  return sections
}
