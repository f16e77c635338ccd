/** A client of regions that are processes: over HTTP, with the rights of the deployment's operator. */
import { randomBytes } from 'node:crypto'
import { connect, httpDeployment, type Database, type Schema } from '../../client/http/index.ts'
import type { KeyWrapper } from '../../core/ports/key-wrapper.ts'
import type { LockedSchema } from '../../node/schema-lock.ts'

/** What every client of a deployment shares. */
export interface HttpClientOptions<S extends Schema> {
  readonly schema: S
  readonly lock: LockedSchema['lock']
  readonly token: string
  /** `undefined`: no column is encrypted. */
  readonly keys: KeyWrapper | undefined
}

/** Connects a client that stands in `region` and reaches the nodes at `nodes`. */
export function connectOverHttp<S extends Schema>(
  { schema, lock, token, keys }: HttpClientOptions<S>,
  region: string,
  nodes: Readonly<Record<string, string | readonly string[]>>,
): Promise<Database<S>> {
  return connect({
    schema,
    region,
    deployment: httpDeployment({
      nodes,
      token,
      lock,
      sessionKey: new Uint8Array(randomBytes(32)),
      ...(keys === undefined ? {} : { keyWrapper: keys }),
    }),
  })
}
