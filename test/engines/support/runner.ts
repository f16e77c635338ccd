/** Runs the files of the project `engines`; those whose engine cannot be had are skipped whole. */
import { relative, sep } from 'node:path'
import { inject, it, TestRunner } from 'vitest'

/** What the files of a folder of test/engines need, where that is not all. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  etcd: ['etcd'],
  kafka: ['kafka'],
  topics: ['kafka'],
  redis: ['redis'],
  reseed: ['etcd'],
  'several-nodes': ['etcd', 'kafka'],
}
const ALL = ['etcd', 'kafka', 'redis']
const FOLDER = new URL('..', import.meta.url).pathname

/** Vitest takes the default export. */
// oxlint-disable-next-line import/no-default-export
export default class EnginesRunner extends TestRunner {
  override async importFile(
    file: string,
    source: Parameters<TestRunner['importFile']>[1],
  ): Promise<unknown> {
    const { missing } = inject('engines')
    const [folder = ''] = relative(FOLDER, file).split(sep)
    const lacking = (NEEDS[folder] ?? ALL).filter((kind) => missing[kind] !== undefined)
    if (source === 'setup' || lacking.length === 0) return super.importFile(file, source)
    // What it imports and does at its top may need the engine, too: it is not loaded at all.
    // oxlint-disable-next-line vitest/expect-expect
    it(`runs on ${lacking.join(' and ')}`, (context) => context.skip())
    return undefined
  }
}
