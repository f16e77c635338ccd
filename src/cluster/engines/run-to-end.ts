/** Runs a program of an engine that does something and ends: the making of a data folder. */
import { MeridianError, type ErrorCode } from '../../core/errors.ts'
import { quoteEnd, type EngineFolder } from './engine.ts'
import { startKept } from './kept-process.ts'

/** The program, and what to say where it fails. */
export interface ProgramRun {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly folder: EngineFolder
  readonly logFile: string
  /** It is killed then. */
  readonly timeoutMs: number
  readonly failure: ErrorCode
  /** What could not be done, and by whom: “The data folder of Kafka could not be formatted: it”. */
  readonly problem: string
}

/** Resolves once it has ended well. @throws MeridianError `failure`, with the end of its log */
export async function runToEnd(run: ProgramRun): Promise<void> {
  const { command, args, environment, folder, logFile } = run
  const process = await startKept({
    ...{ command, args, environment, logFile },
    directory: folder.path,
    temporaryFolder: folder.isTemporary ? folder.path : undefined,
  })
  const force = setTimeout(() => process.signal('SIGKILL'), run.timeoutMs)
  const { code, signal } = await process.ended
  clearTimeout(force)
  if (code === 0) return
  const how = signal === null ? `with code ${code}` : `by ${signal}`
  throw new MeridianError(run.failure, `${run.problem} ended ${how}.${quoteEnd(logFile)}`, {
    fix: `See ${logFile}.`,
  })
}
