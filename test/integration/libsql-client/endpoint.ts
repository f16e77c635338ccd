/**
 * The server that unmodified libSQL clients are tried on: this repository's, or, to compare, the one
 * whose URL is in `MERIDIAN_TEST_LIBSQL_URL`.
 */
import { createClient, type Client, type Config } from '@libsql/client'
import { openStoreServer } from '../../../src/node/store-server.ts'

export type Scheme = 'http' | 'ws'

/** A server, and what was opened on it. */
export class Endpoint {
  readonly #url: string
  readonly #closeServer: () => Promise<void>
  readonly #clients: Client[] = []
  #tables = 0

  private constructor(url: string, closeServer: () => Promise<void>) {
    this.#url = url
    this.#closeServer = closeServer
  }

  static async open(): Promise<Endpoint> {
    const url = process.env['MERIDIAN_TEST_LIBSQL_URL']
    if (url !== undefined && url !== '') return new Endpoint(url, async () => undefined)
    const server = await openStoreServer()
    return new Endpoint(server.url, () => server.close())
  }

  url(scheme: Scheme): string {
    return this.#url.replace(/^(http|ws)/, scheme)
  }

  client(scheme: Scheme, config: Partial<Config> = {}): Client {
    const client = createClient({ url: this.url(scheme), ...config })
    this.#clients.push(client)
    return client
  }

  /** A name that no other test uses. */
  tableName(): string {
    return `t_${process.pid}_${++this.#tables}_${Math.floor(Math.random() * 1e9)}`
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.#closeServer()
  }
}
