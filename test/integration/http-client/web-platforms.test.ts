/** The client over HTTP as one file, where there is the web platform and nothing of Node. */
import { createContext, runInContext } from 'node:vm'
import { fileURLToPath } from 'node:url'
import { EdgeVM } from '@edge-runtime/vm'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { HttpDeploymentOptions } from '../../../src/client/http/index.ts'
import type { RunningHttpServer } from '../../../src/drivers/http/http-server.ts'
import { testMeridian, type TestMeridian } from '../../../src/testing/index.ts'
import { serveNodes } from '../../support/over-http.ts'
import { schema, serve } from '../programs/web-service.ts'

const PROGRAM = fileURLToPath(new URL('../programs/web-service.ts', import.meta.url))

const SEEN = {
  query: [{ id: 'o2', email: 'bob@example.org' }],
  found: [{ id: 'o1', email: 'ada@example.org', cents: 1000 }],
  tags: ['gift', 'new'],
  plan: { id: 'pro', price: 5 },
  refused: true,
}

/** What every web platform has; a context that is given these has nothing else but the language. */
const WEB_GLOBALS = {
  AbortController,
  AbortSignal,
  atob,
  btoa,
  clearTimeout,
  crypto,
  DOMException,
  fetch,
  performance,
  setTimeout,
  TextDecoder,
  TextEncoder,
  URL,
}
const NODE_GLOBALS = ['process', 'Buffer', 'global', 'require', 'setImmediate']

type Serve = (options: HttpDeploymentOptions) => Promise<string>

let bundle: string

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [PROGRAM],
    bundle: true,
    format: 'iife',
    globalName: 'service',
    platform: 'browser',
    target: 'es2023',
    write: false,
    logLevel: 'error',
  })
  bundle = (outputFiles[0] as (typeof outputFiles)[0]).text
})

interface Served {
  readonly meridian: TestMeridian<typeof schema>
  readonly servers: ReadonlyMap<string, RunningHttpServer>
}

const opened: Served[] = []

afterAll(async () => {
  for (const { meridian, servers } of opened) {
    for (const server of servers.values()) await server.close({ drainTimeoutMs: 0 })
    await meridian.close()
  }
})

/** Nodes of their own, behind servers, and what a client needs to reach them. */
async function startNodes(): Promise<HttpDeploymentOptions> {
  const meridian = await testMeridian({ schema })
  const servers = await serveNodes(meridian.deployment)
  opened.push({ meridian, servers })
  return {
    nodes: Object.fromEntries([...servers].map(([region, { url }]) => [region, url])),
    sessionKey: meridian.deployment.sessionKey as Uint8Array,
  }
}

it('serves under Node', async () => {
  expect(JSON.parse(await serve(await startNodes()))).toEqual(SEEN)
})

it('serves as a bundle for browsers, without anything of Node', async () => {
  const context = createContext({ ...WEB_GLOBALS })
  const missing = `${JSON.stringify(NODE_GLOBALS)}.filter((name) => name in globalThis)`
  expect(JSON.stringify(runInContext(missing, context))).toBe('[]')
  const serveBundle = runInContext(`${bundle}\nservice.serve`, context) as Serve
  expect(JSON.parse(await serveBundle(await startNodes()))).toEqual(SEEN)
})

it('serves in an edge runtime', async () => {
  const runtime = new EdgeVM()
  const serveBundle = runtime.evaluate<Serve>(`${bundle}\nservice.serve`)
  expect(JSON.parse(await serveBundle(await startNodes()))).toEqual(SEEN)
})
