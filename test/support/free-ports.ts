/** Ports that nobody listens on, for programs that must know each other's before they start. */
export { freePorts } from '../../src/cluster/engines/free-ports.ts'
