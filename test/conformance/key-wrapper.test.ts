import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyWrapper } from '../../src/core/ports/key-wrapper.ts'
import {
  createDevelopmentKeyring,
  createKeyringFile,
  openKeyringFile,
} from '../../src/drivers/keys/keyring-file.ts'
import { keyWrapperConformance, type KeyWrapperSubject } from './key-wrapper-suite.ts'

const regions = ['eu-west', 'us-east']

async function onFile(
  create: (path: string) => Promise<KeyWrapper>,
  reopen: (path: string) => Promise<KeyWrapper>,
): Promise<KeyWrapperSubject> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-keys-'))
  const path = join(folder, 'keyring.json')
  return {
    wrapper: await create(path),
    reopen: async () => reopen(path),
    close: async () => rm(folder, { recursive: true }),
  }
}

keyWrapperConformance('a keyring file', async () =>
  onFile(
    async (path) => createKeyringFile({ path, regions }),
    async (path) => openKeyringFile({ path }),
  ),
)

keyWrapperConformance('a development keyring beside the data', async () =>
  onFile(
    async (path) => createDevelopmentKeyring({ path, regions }),
    async (path) => createDevelopmentKeyring({ path, regions }),
  ),
)

keyWrapperConformance('a development keyring in memory', async () => ({
  wrapper: await createDevelopmentKeyring({ regions }),
  close: async () => undefined,
}))
