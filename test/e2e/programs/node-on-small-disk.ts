/**
 * Program: `meridian` where files have a limit (`ulimit -f`). A process that writes beyond it is
 * ended by a signal, unless it handles that: then the write fails, as on a full disk.
 */
process.on('SIGXFSZ', () => undefined)
await import('../../../src/cli/main.ts')
