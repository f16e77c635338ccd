/** Program: opens the market on a folder, and keeps it open until it is killed. */
import { openEmbedded } from '../../../src/node/embedded.ts'
import { market } from '../../support/market.ts'

const [directory = ''] = process.argv.slice(2)
const onNotice = (): void => undefined
await openEmbedded({ schema: market, directory, delayScale: 0, writer: 'inline', onNotice })
console.log('open')
