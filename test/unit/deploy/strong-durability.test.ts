/** The init service of a store, against a server that answers as the administration of sqld does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'

const SCRIPT = join(import.meta.dirname, '../../../deploy/strong-durability.mjs')
const PATH = '/v1/namespaces/default/config'

let server: Server | undefined
afterEach(() => {
  server?.close()
  server = undefined
})

/** The administration of a server whose configuration is replaced as a whole; says no at first. */
async function serve(config: Record<string, unknown>, refusals: number) {
  const world = { config, posts: 0 }
  let left = refusals
  server = createServer((request, response) => {
    if (request.url !== PATH || left-- > 0) {
      response.writeHead(503).end('not yet')
      return
    }
    if (request.method !== 'POST') {
      response.end(JSON.stringify(world.config))
      return
    }
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      world.posts++
      world.config = JSON.parse(body) as Record<string, unknown>
      response.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { world, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function run(url: string): Promise<number> {
  const child = spawn(process.execPath, [SCRIPT, url], { stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number]
  return code
}

it('sets the option once the server answers, and keeps the others', async () => {
  const { world, url } = await serve(
    { block_reads: false, jwt_key: 'k', durability_mode: 'relaxed' },
    2,
  )
  expect(await run(url)).toBe(0)
  expect(world.config).toEqual({ block_reads: false, jwt_key: 'k', durability_mode: 'strong' })
})

it('leaves a server alone that has it', async () => {
  const { world, url } = await serve({ durability_mode: 'strong' }, 0)
  expect(await run(url)).toBe(0)
  expect(world.posts).toBe(0)
})
