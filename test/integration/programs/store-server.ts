/** A store server in a process of its own, to be killed: `store-server.ts FILE PORT`. */
import { openStoreServer } from '../../../src/node/store-server.ts'

const [file, port] = process.argv.slice(2)
const server = await openStoreServer({ file, port: Number(port) })
console.log(server.url)
