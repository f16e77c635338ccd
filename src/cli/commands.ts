/** The commands that there are; each is loaded when it is called. */
import type { Command } from './command.ts'

/** A command that is loaded when it is called. */
export interface CommandEntry {
  readonly summary: string
  load(): Promise<Command>
}

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  demo: {
    summary: 'Three regions in one process, 135,000 cities, every guarantee checked.',
    load: async () => (await import('./demo/command.ts')).demoCommand,
  },
}
