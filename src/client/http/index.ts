/**
 * `meridian/http`: the client for nodes that are reached over HTTP. One file is all that a browser
 * or a worker loads; the service's own code is the same as with an embedded deployment.
 */
export * from '../index.ts'
export { httpDeployment } from './http-deployment.ts'
export type { HttpDeploymentOptions } from './http-deployment.ts'
export type { HedgeOptions } from '../hedge.ts'
export type { KeyContext, KeyWrapper } from '../../core/ports/key-wrapper.ts'
export type { SchemaLock } from '../../schema/lock.ts'
