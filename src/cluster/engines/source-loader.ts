/** How child processes load what this one runs: the build as it is, sources through a loader. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** Arguments for Node before a program that is `.ts` in a checkout. */
export function sourceLoader(): readonly string[] {
  const isSource = import.meta.url.endsWith('.ts')
  const readsTypeScript = Boolean(Reflect.get(process.features, 'typescript'))
  if (!isSource || readsTypeScript) return []
  // Not by `import.meta.resolve`, which not everything that loads sources has.
  const loader = createRequire(import.meta.url).resolve('tsx')
  return ['--import', pathToFileURL(loader).href]
}
