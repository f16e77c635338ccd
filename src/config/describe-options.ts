/** The options of `meridian.yaml` as data: their JSON Schema, and a list for people. */
import { z } from 'zod'
import { configSchema } from './config-schema.ts'

/** One option. */
export interface OptionLine {
  /** `commitLog.etcd.members.<region>`: what is in angle brackets is a name of the user's. */
  readonly path: string
  readonly type: string
  /** As text; `null`: it has none. */
  readonly fallback: string | null
  readonly isRequired: boolean
  readonly description: string
}

interface Node {
  readonly type?: string
  readonly const?: string
  readonly enum?: readonly string[]
  readonly default?: string | number | boolean | object
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly items?: Node
  readonly additionalProperties?: Node | boolean
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
}

/** The JSON Schema of the file, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' })
}

/** Every option with its default and what it means, sections before what is in them. */
export function listOptions(): readonly OptionLine[] {
  return partsOf(configJsonSchema(), '')
}

/** What stands in the path for a key of the user's. */
const KEYS: Readonly<Record<string, string>> = { classes: 'class' }

function partsOf(node: Node, path: string): readonly OptionLine[] {
  if (isSecret(node)) return []
  const of = (name: string): string => (path === '' ? name : `${path}.${name}`)
  const named = Object.entries(node.properties ?? {}).flatMap(([name, part]) =>
    linesOf(part, of(name), node.required?.includes(name) === true),
  )
  const { additionalProperties, items } = node
  const last = path.slice(path.lastIndexOf('.') + 1)
  const keyed =
    typeof additionalProperties === 'object'
      ? partsOf(additionalProperties, of(`<${KEYS[last] ?? 'region'}>`))
      : []
  const listed = items === undefined ? [] : partsOf(items, `${path}[]`)
  // One or a list of it: the same options, named once.
  const shapes = (node.anyOf ?? node.oneOf ?? []).map((one) => one.items ?? one)
  const chosen = dedupe(shapes.flatMap((one) => partsOf(one, path)))
  return [...named, ...keyed, ...listed, ...chosen]
}

function linesOf(node: Node, path: string, isRequired: boolean): readonly OptionLine[] {
  const parts = partsOf(node, path)
  const { description = '' } = node
  // What has neither a meaning nor a value of its own is only the way to what is in it.
  if (description === '' && parts.length > 0) return parts
  const line: OptionLine = {
    path,
    type: typeOf(node),
    fallback: defaultOf(node),
    isRequired,
    description,
  }
  return [line, ...parts]
}

function dedupe(lines: readonly OptionLine[]): readonly OptionLine[] {
  const known = new Map<string, OptionLine>()
  for (const line of lines) {
    const before = known.get(line.path)
    known.set(line.path, before === undefined ? line : either(before, line))
  }
  return [...known.values()]
}

/** An option that each shape has in its own way: a constant of each, for example. */
function either(a: OptionLine, b: OptionLine): OptionLine {
  return {
    ...a,
    type: a.type === b.type ? a.type : `${a.type}, ${b.type}`,
    description: a.description === '' ? b.description : a.description,
  }
}

function isSecret({ anyOf }: Node): boolean {
  const names = (anyOf ?? []).map((one) => Object.keys(one.properties ?? {}).join())
  return names.includes('env') && names.includes('file')
}

function typeOf(node: Node): string {
  if (isSecret(node)) return 'secret'
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum !== undefined) return node.enum.map((one) => `\`${one}\``).join(', ')
  const shapes = node.anyOf ?? node.oneOf
  if (shapes !== undefined) return [...new Set(shapes.map(typeOf))].join(' or ')
  if (node.type === 'array')
    return `list of ${node.items === undefined ? 'values' : typeOf(node.items)}`
  if (node.type !== 'object') return node.type === 'string' ? 'text' : (node.type ?? 'value')
  return typeof node.additionalProperties === 'object' ? 'map' : 'section'
}

function defaultOf({ default: value }: Node): string | null {
  if (value === undefined) return null
  // A section whose default is empty has the defaults of its parts.
  return typeof value === 'object' ? null : String(value)
}
