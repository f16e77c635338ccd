/**
 * Makes what `docker-compose.yml` mounts as secrets: keys of the nodes, a key of an issuer of tokens,
 * keys and tokens of the stores, passwords of Redis; and `meridian.yaml` with the public keys in it.
 *
 *   node deploy/make-secrets.mjs [FOLDER]        default: deploy/secrets
 *
 * Nothing that exists is replaced. The folder is open to its owner alone. The files in it can be read
 * by others who reach them: Compose mounts them as they are, and each container has a user of its own.
 * Needs Node alone, nothing installed.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const REGIONS = ['us-east', 'eu-west', 'ap-south']
const TEMPLATE = join(import.meta.dirname, 'meridian.yaml')

const folder = process.argv[2] ?? join(import.meta.dirname, 'secrets')
mkdirSync(folder, { recursive: true, mode: 0o700 })
if (existsSync(join(folder, 'meridian.yaml'))) {
  console.error(`${folder} has secrets already; remove it to make new ones.`)
  process.exit(1)
}

function save(name, text) {
  writeFileSync(join(folder, name), text, { mode: 0o644, flag: 'wx' })
}

function keyPair() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicKey: publicKey.export({ format: 'jwk' }).x,
    privateKey,
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  }
}

/** A token that the store's server takes: a JSON Web Token that may read and write. */
function storeToken(privateKey) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'EdDSA', typ: 'JWT' })}.${part({ a: 'rw' })}`
  return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
}

/** The placeholder of a public key in the template; its length is that of a key. */
function placeholder(name) {
  return `made-by-make-secrets-for-${name}`.padEnd(43, '-')
}

let config = readFileSync(TEMPLATE, 'utf8')

function putPublicKey(name, publicKey) {
  const parts = config.split(placeholder(name))
  if (parts.length !== 2) throw new Error(`${TEMPLATE} has no place for the key of ${name}.`)
  config = parts.join(publicKey)
}

const issuer = keyPair()
putPublicKey('issuer', issuer.publicKey)
save('issuer.key', issuer.pem)
for (const region of REGIONS) {
  const node = keyPair()
  putPublicKey(region, node.publicKey)
  save(`node-${region}.key`, node.pem)
  const store = keyPair()
  save(`store-${region}.pub`, `${store.publicKey}\n`)
  save(`store-${region}.token`, `${storeToken(store.privateKey)}\n`)
  save(`redis-${region}.password`, `${randomBytes(24).toString('hex')}\n`)
}
// Last: that it is there says that all of them are.
save('meridian.yaml', config)
console.log(
  `Secrets are in ${folder}. Keep issuer.key, which signs tokens, off the machines of nodes.`,
)
