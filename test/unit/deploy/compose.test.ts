/**
 * `docker-compose.yml` without a Docker daemon: against the Compose specification's own schema, and
 * against the files, names and ports that it speaks of.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { checkDeployment } from '../../../src/config/check-deployment.ts'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { configCommand } from '../../../src/cli/config/command.ts'
import { nodeCommand } from '../../../src/cli/node/command.ts'

const ROOT = join(import.meta.dirname, '../../..')
const REGIONS = ['us-east', 'eu-west', 'ap-south']
const MADE = './deploy/secrets/'

interface Mounted {
  readonly source: string
  readonly target: string
}

interface Service {
  readonly image: string
  readonly build?: { readonly context: string }
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly Mounted[]
  readonly configs?: readonly Mounted[]
  readonly volumes?: readonly string[]
  readonly networks?: readonly string[]
  readonly network_mode?: string
  readonly ports?: readonly string[]
  readonly restart: string
  readonly healthcheck: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly deploy: { readonly resources: { readonly limits: { cpus: string; memory: string } } }
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
  readonly volumes: Readonly<Record<string, object>>
  readonly configs: Readonly<Record<string, { readonly file: string }>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
const compose = parse(text, { merge: true }) as Compose
const config = parseConfig(readFileSync(join(ROOT, 'deploy/meridian.yaml'), 'utf8'), 'deploy')
const services = Object.entries(compose.services)

function service(name: string): Service {
  const found = compose.services[name]
  if (found === undefined) throw new Error(`There is no service ${name}.`)
  return found
}

/** The value of `--name=value` or `--name value` in a command. */
function optionOf(command: readonly string[] | undefined, name: string): string | undefined {
  const at = command?.findIndex((one) => one === `--${name}` || one.startsWith(`--${name}=`)) ?? -1
  const found = command?.[at]
  return found?.includes('=') === true ? found.slice(name.length + 3) : command?.[at + 1]
}

describe('docker-compose.yml', () => {
  const schemaFile = join(ROOT, 'node_modules/docker-compose/schema/compose-spec.json')
  const { $schema: _, ...schema } = JSON.parse(readFileSync(schemaFile, 'utf8')) as object & {
    $schema: string
  }
  const validate = new Ajv({
    strict: false,
    allErrors: true,
    formats: {
      duration: true,
      expose: true,
      ports: true,
      subnet_ip_address: true,
      'uri-reference': true,
    },
  }).compile(schema)

  it('is what the Compose specification allows', () => {
    validate(compose)
    expect(validate.errors ?? []).toEqual([])
  })

  it('would not pass with a mistyped key, so that the check above can fail', () => {
    const broken = structuredClone(compose) as unknown as { services: Record<string, object> }
    broken.services['node-us-east'] = { ...service('node-us-east'), healtcheck: {} }
    expect(validate(broken)).toBe(false)
  })

  it('has in each region a node, a store, Kafka, Redis and a member of etcd, and nothing else', () => {
    const parts = ['node', 'store', 'store-init', 'kafka', 'redis', 'etcd']
    const expected = REGIONS.flatMap((region) => parts.map((part) => `${part}-${region}`))
    expect(Object.keys(compose.services).toSorted()).toEqual(expected.toSorted())
  })

  it.each(services)('%s is pinned, bounded, restarted and watched', (name, one) => {
    expect(one.image).toMatch(/:v?\d+\.\d+\.\d+(-[a-z]+)?$/)
    expect(one.deploy.resources.limits).toMatchObject({
      cpus: expect.stringMatching(/^\d/) as string,
      memory: expect.stringMatching(/^\d+[MG]$/) as string,
    })
    const isOnce = name.startsWith('store-init-')
    expect(one.restart).toBe(isOnce ? 'on-failure' : 'unless-stopped')
    if (!isOnce) expect(one.healthcheck.test?.length).toBeGreaterThan(1)
  })

  it.each(services)(
    '%s names secrets, configs, volumes, networks and services that exist',
    (_n, one) => {
      for (const { source } of one.secrets ?? []) expect(compose.secrets).toHaveProperty([source])
      for (const { source } of one.configs ?? []) expect(compose.configs).toHaveProperty([source])
      for (const volume of one.volumes ?? []) {
        expect(compose.volumes).toHaveProperty([volume.slice(0, volume.indexOf(':'))])
      }
      for (const network of one.networks ?? []) expect(compose.networks).toHaveProperty([network])
      for (const [other, { condition }] of Object.entries(one.depends_on ?? {})) {
        const isOnce = other.startsWith('store-init-')
        expect(service(other)).toBeDefined()
        expect(condition).toBe(isOnce ? 'service_completed_successfully' : 'service_healthy')
      }
      const shared = one.network_mode?.replace('service:', '')
      if (shared !== undefined) expect(service(shared)).toBeDefined()
    },
  )

  it('uses every secret, config, volume and network that it declares', () => {
    const all = services.map(([, one]) => one)
    const used = {
      secrets: all.flatMap((one) => one.secrets ?? []).map(({ source }) => source),
      configs: all.flatMap((one) => one.configs ?? []).map(({ source }) => source),
      volumes: all.flatMap((one) => one.volumes ?? []).map((volume) => volume.replace(/:.*/, '')),
      networks: all.flatMap((one) => one.networks ?? []),
    }
    for (const kind of ['secrets', 'configs', 'volumes', 'networks'] as const) {
      expect([...new Set<string>(used[kind])].toSorted(), kind).toEqual(
        Object.keys(compose[kind]).toSorted(),
      )
    }
  })

  it('keeps a region to itself: only nodes and etcd are on the network between', () => {
    for (const region of REGIONS) expect(compose.networks[region]?.internal).toBe(true)
    for (const [name, { networks = [] }] of services) {
      const region = REGIONS.find((one) => name.endsWith(one)) ?? ''
      if (name.startsWith('store-init-')) continue
      const isBetween = /^(node|etcd)-/.test(name)
      expect(networks, name).toEqual(isBetween ? [region, 'between'] : [region])
    }
  })

  it('opens ports to this machine only', () => {
    for (const port of services.flatMap(([, one]) => one.ports ?? [])) {
      expect(port).toMatch(/^127\.0\.0\.1:\d+:4400$/)
    }
  })

  it('mounts files that exist, or that make-secrets makes', () => {
    for (const { file } of [...Object.values(compose.configs), ...Object.values(compose.secrets)]) {
      if (!file.startsWith(MADE)) expect(existsSync(join(ROOT, file)), file).toBe(true)
    }
    for (const { file } of Object.values(compose.secrets))
      expect(file).toMatch(/^\.\/deploy\/secrets\//)
  })

  it('contains no secret itself', () => {
    for (const [name, { environment = {}, command = [] }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        expect(`${name} ${variable}=${value}`).not.toMatch(/pass|secret|token|key=/i)
      }
      // A password in a command is read from its file.
      for (const word of command) {
        if (/requirepass/.test(word)) expect(word).toContain('$$(cat /run/secrets/')
      }
    }
    expect(text).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{10}/)
  })
})

describe('docker-compose.yml and deploy/meridian.yaml', () => {
  it('the configuration is of size full, and can work', () => {
    const { size, problems } = checkDeployment(config)
    expect({ size, problems }).toEqual({ size: 'full', problems: [] })
  })

  it('every address in the configuration is a service of its region, on its port', () => {
    for (const region of REGIONS) {
      expect(config.regions).toContain(region)
      const listed = config.nodes[region]?.map(({ url, listen }) => ({ url, listen }))
      expect(listed).toEqual([{ url: `http://node-${region}:4400`, listen: '0.0.0.0:4400' }])
      expect(config.stores[region]?.url).toBe(`ws://store-${region}:8080`)
      expect(service(`store-${region}`).environment?.['SQLD_HTTP_LISTEN_ADDR']).toBe('0.0.0.0:8080')
      const kafka = service(`kafka-${region}`).environment ?? {}
      const [broker] = config.changeLogs[region]?.brokers ?? []
      expect(kafka['KAFKA_ADVERTISED_LISTENERS']).toBe(`PLAINTEXT://${broker}`)
      expect(kafka['KAFKA_LISTENERS']).toContain(`PLAINTEXT://:${broker?.split(':')[1]},`)
      expect(broker).toBe(`kafka-${region}:9092`)
      expect(config.caches[region]?.address).toBe(`redis-${region}:6379`)
      const [member] = config.commitLog.etcd?.members[region] ?? []
      const etcd = service(`etcd-${region}`).command
      expect(optionOf(etcd, 'advertise-client-urls')).toBe(`http://${member}`)
      expect(optionOf(etcd, 'listen-client-urls')).toBe('http://0.0.0.0:2379')
    }
  })

  it('the members of etcd name each other, and ask before they vote', () => {
    const peers = REGIONS.map((region) => `etcd-${region}=http://etcd-${region}:2380`).join(',')
    for (const region of REGIONS) {
      const { command } = service(`etcd-${region}`)
      expect(optionOf(command, 'initial-cluster')).toBe(peers)
      expect(optionOf(command, 'initial-advertise-peer-urls')).toBe(`http://etcd-${region}:2380`)
      expect(optionOf(command, 'pre-vote')).toBe('true')
      expect(optionOf(command, 'max-request-bytes')).toBe('8388608')
    }
  })

  it('every cluster of Kafka has an id of its own, as Kafka wants ids', () => {
    const ids = REGIONS.map(
      (region) => service(`kafka-${region}`).environment?.['CLUSTER_ID'] ?? '',
    )
    expect(new Set(ids).size).toBe(REGIONS.length)
    for (const id of ids) expect(Buffer.from(id, 'base64url').length).toBe(16)
  })

  it('a node is started with options that the command has, and with the files that they name', () => {
    for (const region of REGIONS) {
      const { command = [], configs = [], volumes = [] } = service(`node-${region}`)
      expect(command[0]).toBe('node')
      for (const word of command.filter((one) => one.startsWith('--'))) {
        expect(nodeCommand.options).toHaveProperty([word.slice(2)])
      }
      expect(optionOf(command, 'region')).toBe(region)
      const targets = configs.map(({ target }) => target)
      expect(targets).toContain(optionOf(command, 'config'))
      expect(targets).toContain('/etc/meridian/meridian.lock.json')
      expect(targets).toContain(join('/etc/meridian', config.schema ?? ''))
      expect(volumes).toEqual([`node-${region}:${config.data.directory}`])
    }
  })

  it('every file of a secret that the configuration names is mounted where it is read', () => {
    const named = JSON.stringify(config).matchAll(/"file":"\/run\/secrets\/([^"]+)"/g)
    const wanted = [...new Set([...named].map(([, name = '']) => name))].toSorted()
    expect(wanted.length).toBeGreaterThan(0)
    for (const region of REGIONS) {
      const { secrets = [] } = service(`node-${region}`)
      expect(secrets.map(({ target }) => target).toSorted()).toEqual(wanted)
      for (const { source } of secrets) expect(source.endsWith(region)).toBe(true)
    }
  })

  it('a node takes longer to be ended than to drain', () => {
    for (const region of REGIONS) {
      const { stop_grace_period: grace } = service(`node-${region}`) as unknown as {
        stop_grace_period: string
      }
      expect(Number(grace.replace('s', '')) * 1000).toBeGreaterThan(config.limits.drainTimeoutMs)
    }
  })

  it('sets no variable that nothing reads', () => {
    const read = readFileSync(join(ROOT, 'src/node/observe/trace-exporter.ts'), 'utf8')
    for (const region of REGIONS) {
      for (const name of Object.keys(service(`node-${region}`).environment ?? {})) {
        expect(read).toContain(`'${name}'`)
      }
      for (const name of Object.keys(service(`store-${region}`).environment ?? {})) {
        expect(['SQLD_NODE', 'SQLD_DB_PATH', 'SQLD_HTTP_LISTEN_ADDR']).toContain(name)
      }
      for (const name of Object.keys(service(`kafka-${region}`).environment ?? {})) {
        expect(name).toMatch(/^(KAFKA_[A-Z_]+|CLUSTER_ID)$/)
      }
    }
    expect(configCommand.options).toHaveProperty('config')
  })

  it('the server of a store opens its administration to its own container, where its init service is', () => {
    for (const region of REGIONS) {
      const admin = optionOf(service(`store-${region}`).command, 'admin-listen-addr')
      const init = service(`store-init-${region}`)
      expect(admin).toMatch(/^127\.0\.0\.1:/)
      expect(init.network_mode).toBe(`service:store-${region}`)
      expect(init.entrypoint).toContain(`http://${admin}`)
      const [script] = init.configs ?? []
      expect(init.entrypoint).toContain(script?.target)
    }
  })
})
