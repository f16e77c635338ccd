/** The store server as a process of its own, which a test may kill. */
import { startProgram, type RunningProgram } from './program.ts'

/** Resolves once it listens. It ends with the test at the latest. */
export async function startStoreServer(file: string, port: number): Promise<RunningProgram> {
  const program = startProgram('test/integration/programs/store-server.ts', [file, `${port}`])
  await program.prints('http://')
  return program
}
