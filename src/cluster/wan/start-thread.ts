/** Starts the programs of this folder that run as threads. */
import { Worker } from 'node:worker_threads'

/** Beside this file lies the program, in the form in which this file runs. */
export function startThread(
  program: 'wan-thread' | 'self-test-thread',
  workerData: object,
): Worker {
  const isSource = import.meta.url.endsWith('.ts')
  const url = new URL(`./${program}.${isSource ? 'ts' : 'js'}`, import.meta.url)
  const readsTypeScript = Boolean(Reflect.get(process.features, 'typescript'))
  if (!isSource || readsTypeScript) return new Worker(url, { workerData })
  // Run from source on a Node that does not read TypeScript: the thread loads a loader first.
  const loader = import.meta.resolve('tsx/esm/api')
  const text = `import('${loader}').then((tsx) => { tsx.register(); return import('${url.href}') })`
  return new Worker(text, { eval: true, workerData })
}
