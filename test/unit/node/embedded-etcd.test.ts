import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { openEmbedded } from '../../../src/node/embedded.ts'
import { schema } from '../../support/node-schema.ts'

test('an embedded deployment refuses an etcd, and writes nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-embedded-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const etcd = { members: { 'us-east': ['127.0.0.1:2379'] } }
  const text = JSON.stringify({ regions: ['us-east'], commitLog: { etcd } })
  const opening = openEmbedded({ schema, config: parseConfig(text, 'meridian.yaml'), directory })
  await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  expect(readdirSync(directory)).toEqual([])
})
