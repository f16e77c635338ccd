/** The program of each kind of view. */
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { ViewFaults } from './faults.ts'
import { GroupProgram } from './group-program.ts'
import { ListProgram } from './list-program.ts'
import { TopProgram } from './top-program.ts'
import type { ViewProgram } from './view-program.ts'

/** How programs work, besides what their views say. */
export interface ProgramOptions {
  /** Rows that a top list holds behind its limit, at least. Default 64. */
  readonly reserveRows?: number | undefined
  readonly faults?: ViewFaults | undefined
}

const RESERVE_ROWS = 64

export function createProgram(view: CompiledView, options: ProgramOptions): ViewProgram {
  switch (view.shape.kind) {
    case 'group':
      return new GroupProgram(view, options.faults ?? {})
    case 'top':
      return new TopProgram(view, options.reserveRows ?? RESERVE_ROWS)
    case 'select':
      return new ListProgram(view)
  }
}
