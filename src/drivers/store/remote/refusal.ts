/** Which statement it was, where a server refuses a batch because it cannot read one of them. */
import type { BatchConnection, RemoteFailure } from './batch.ts'
import { isMalformed, statementError, storeFailure, unavailable } from './remote-failure.ts'

/**
 * The error of a refused batch. A server reads all statements before it runs one, and does not say
 * which it could not read: it is asked for each. Does not throw.
 */
export async function refusalError(
  connection: BatchConnection,
  statements: readonly { readonly sql: string }[],
  failure: RemoteFailure,
  url: string,
): Promise<unknown> {
  if (!isMalformed(failure)) {
    return storeFailure(failure, url) ?? unavailable(url, 'refused the statements', 'safe', failure)
  }
  try {
    const failures = await connection.describe(statements.map((statement) => statement.sql))
    const index = failures.findIndex((one) => one?.code === failure.code)
    return statementError(failure, Math.max(index, 0), url)
  } catch (error) {
    return error
  }
}
