/** An edge function: follows short links, and makes them. It has `fetch` and nothing of Node. */
import { connect, httpDeployment, isErrorCode, type Database } from 'meridian/http'
import { schema } from './schema.ts'

/** What the platform gives the function besides requests. */
export interface Environment {
  /** The region that is nearest. */
  readonly region: string
  readonly nodes: Readonly<Record<string, string>>
  readonly token?: string
}

let connected: Promise<Database<typeof schema>> | undefined

/** Connected at the first request; later ones share the client and its connections. */
function database({ region, nodes, token }: Environment): Promise<Database<typeof schema>> {
  const deployment = httpDeployment({ nodes, ...(token === undefined ? {} : { token }) })
  connected ??= connect({ schema, region, deployment }).catch((error: unknown) => {
    connected = undefined
    throw error
  })
  return connected
}

/** Answers a request. */
export async function handle(request: Request, environment: Environment): Promise<Response> {
  const { links } = await database(environment)
  const name = new URL(request.url).pathname.slice(1)
  if (request.method === 'PUT') {
    try {
      await links.insert({ name, url: await request.text() })
      return new Response('made\n', { status: 201 })
    } catch (error) {
      if (!isErrorCode(error, 'ALREADY_EXISTS')) throw error
      return new Response('taken\n', { status: 409 })
    }
  }
  const link = await links.get(name)
  if (link === undefined) return new Response('no such link\n', { status: 404 })
  return new Response(null, { status: 302, headers: { location: link.url } })
}
