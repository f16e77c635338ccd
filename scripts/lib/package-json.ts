/** Reads this repository's package.json. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ROOT } from './command.ts'

const PackageJson = z.object({
  exports: z.record(
    z.string(),
    z.union([z.string(), z.object({ types: z.string(), default: z.string() })]),
  ),
  scripts: z.record(z.string(), z.string()),
})

function readPackageJson(): z.infer<typeof PackageJson> {
  return PackageJson.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))
}

/** The scripts by name. */
export function readScripts(): Readonly<Record<string, string>> {
  return readPackageJson().scripts
}

/** The public entries that are code, as they are built: name and path without extension. */
export function readEntries(): readonly { readonly name: string; readonly path: string }[] {
  return Object.entries(readPackageJson().exports).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    const name = subpath === '.' ? 'meridian' : subpath.slice('./'.length)
    return [{ name, path: target.default.replace(/\.js$/, '') }]
  })
}
