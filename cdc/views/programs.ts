/** The program of each kind of view. */
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { ViewFaults } from './faults.ts'
import { GroupProgram } from './group-program.ts'
import { ListProgram } from './list-program.ts'
import { TopProgram } from './top-program.ts'
import type { ViewProgram } from './view-program.ts'

export function createProgram(view: CompiledView, faults: ViewFaults = {}): ViewProgram {
  switch (view.shape.kind) {
    case 'group':
      return new GroupProgram(view, faults)
    case 'top':
      return new TopProgram(view)
    case 'select':
      return new ListProgram(view)
  }
}
