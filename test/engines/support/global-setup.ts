/** Starts one of each engine for all files of the project `engines`, and ends them. */
import type { TestProject } from 'vitest/node'
import { ENGINE_KINDS, ENGINE_NEEDS } from '../../../scripts/services/engine-kinds.ts'
import { openServices, type OpenedServices } from '../../../scripts/services/open-services.ts'
import { SKIPPED_MARK } from '../../../scripts/lib/tally.ts'

/** What files are told of the engines. */
export interface ProvidedEngines {
  /** `host:port` by engine, for those that can be had. */
  readonly addresses: Readonly<Record<string, string>>
  /** Why the others cannot. */
  readonly missing: Readonly<Record<string, string>>
}

declare module 'vitest' {
  export interface ProvidedContext {
    engines: ProvidedEngines
  }
}

let opened: OpenedServices | undefined

/** Called by Vitest before the first file. */
export async function setup(project: TestProject): Promise<void> {
  opened = await openServices(ENGINE_KINDS, (line) => console.error(line))
  const { services, missing } = opened
  if (missing.size > 0 && process.env['CI'] !== undefined) {
    await opened.close()
    throw new Error(`Engines cannot be had, and in CI their tests must run. ${reasons(missing)}`)
  }
  project.provide('engines', {
    addresses: Object.fromEntries(services.map(({ kind, address }) => [kind, address])),
    missing: Object.fromEntries(missing),
  })
}

/** Called by Vitest after the last file. */
export async function teardown(): Promise<void> {
  if (opened === undefined) return
  await opened.close()
  if (opened.missing.size > 0) console.log(`\n${SKIPPED_MARK}${reasons(opened.missing)}`)
}

function reasons(missing: OpenedServices['missing']): string {
  return Array.from(
    missing,
    ([kind, reason]) => `tests on ${ENGINE_NEEDS[kind].title}: ${reason.replaceAll(/\s+/g, ' ')}`,
  ).join('; ')
}
