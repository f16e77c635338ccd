/**
 * The program of a bare HTTP server: the body of a request is a row's id, the answer is the row.
 * Its parent tells it the file and ends it; it tells its parent its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openLibsqlClient } from './libsql-client.ts'

/** What it serves. */
export interface HttpServerTask {
  readonly path: string
  readonly sql: string
  /** Before the row's id. */
  readonly args: readonly string[]
}

/** What it tells its parent. */
export type HttpServerNews = { readonly port: number } | { readonly error: string }

async function serve({ path, sql, args }: HttpServerTask): Promise<number> {
  const client = await openLibsqlClient(path)
  const server = createServer((request, response) => {
    let id = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (id += chunk))
    request.on('end', () => {
      client.execute({ sql, args: [...args, id] }).then(
        ({ rows }) => {
          const body = JSON.stringify(rows.map((row) => Array.from(row as ArrayLike<unknown>)))
          response.setHeader('content-type', 'application/json')
          response.end(body)
        },
        (error: unknown) => {
          response.statusCode = 500
          response.end(String(error))
        },
      )
    })
  })
  // Connections stay as long as the measurement.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

function tell(news: HttpServerNews): void {
  process.send?.(news)
}

process.once('message', (task: HttpServerTask) => {
  serve(task).then(
    (port) => tell({ port }),
    (error: unknown) => tell({ error: error instanceof Error ? error.message : String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
