/** Which nodes a command asks, and with which token. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseConfig, type Config } from '../../config/parse-config.ts'
import { MeridianError } from '../../core/errors.ts'
import { readConfigFile } from '../../node/files.ts'
import type { GivenOptions } from '../command.ts'
import { requireText } from '../read-deployment.ts'

/** A node to ask. */
export interface NodeToAsk {
  readonly url: string
  /** Those that the configuration says it serves. */
  readonly regions: readonly string[]
}

/** Nodes, and the PEM of the authority of their certificates where it is no public one. */
export interface NodesToAsk {
  readonly nodes: readonly NodeToAsk[]
  readonly ca: string | undefined
}

/** Those of `--config`, or the one of `--url`. @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` */
export async function nodesOf(given: GivenOptions): Promise<NodesToAsk> {
  if (given['config'] === undefined) {
    const url = requireText(given, 'url')
    if (URL.canParse(url)) return { nodes: [{ url, regions: [] }], ca: undefined }
    throw new MeridianError('INVALID_ARGUMENT', '`--url` is no URL.', {
      fix: 'Write it as http://HOST:PORT.',
    })
  }
  if (given['url'] !== undefined) {
    throw new MeridianError('INVALID_ARGUMENT', 'Both `--config` and `--url` are given.', {
      fix: 'Leave one out.',
    })
  }
  const file = requireText(given, 'config')
  return nodesOfConfig(parseConfig(await readConfigFile(file), file), file)
}

/** All that a configuration names. @throws MeridianError `CONFIG_INVALID` */
export async function nodesOfConfig(config: Config, file: string): Promise<NodesToAsk> {
  const { nodes: configured, tls } = config
  const byUrl = new Map<string, string[]>()
  for (const [region, ofRegion] of Object.entries(configured)) {
    for (const { url } of ofRegion) byUrl.set(url, [...(byUrl.get(url) ?? []), region])
  }
  if (byUrl.size === 0) {
    throw new MeridianError('CONFIG_INVALID', `${file} has no section \`nodes\`.`, {
      fix: 'Name a node with `--url`.',
    })
  }
  const ca =
    tls?.ca === undefined ? undefined : await readFile(resolve(dirname(file), tls.ca), 'utf8')
  return { nodes: [...byUrl].map(([url, regions]) => ({ url, regions })), ca }
}

/** What to do where a node wants a token. */
export const TOKEN_FIX =
  'Name the variable with a token in `--token-env`; `meridian token` signs one.'

/** The token that `--token-env` leads to. @throws MeridianError `INVALID_ARGUMENT` */
export function tokenOf(given: GivenOptions): string | undefined {
  if (given['token-env'] === undefined) return undefined
  const name = requireText(given, 'token-env')
  const token = process.env[name]?.trim()
  if (token !== undefined && token !== '') return token
  throw new MeridianError('INVALID_ARGUMENT', `The environment variable ${name} is not set.`, {
    fix: 'Put the token there.',
  })
}
