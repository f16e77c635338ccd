/**
 * A lint rule: engines read no clock, draw no randomness and set no timer except through the
 * ports of src/core/ports/runtime.ts, so that a simulated run replays exactly. Plain JavaScript,
 * because the linter loads it itself on every supported Node.
 */

/** Globals that no engine may touch at all, each with the port that replaces it. */
const FORBIDDEN_GLOBALS = new Map([
  ['setTimeout', 'Timers'],
  ['clearTimeout', 'Timers'],
  ['setInterval', 'Timers'],
  ['clearInterval', 'Timers'],
  ['setImmediate', 'Timers'],
  ['clearImmediate', 'Timers'],
  ['performance', 'Clock'],
])

/** Members of a global that are ambient; the rest of the object is pure and allowed. */
const FORBIDDEN_MEMBERS = new Map([
  ['Date', new Map([['now', 'Clock']])],
  ['Math', new Map([['random', 'Random']])],
  [
    'crypto',
    new Map([
      ['randomUUID', 'Random'],
      ['getRandomValues', 'Random'],
    ]),
  ],
  [
    'process',
    new Map([
      ['hrtime', 'Clock'],
      ['uptime', 'Clock'],
    ]),
  ],
])

/** Modules whose very purpose is ambient, and names of other modules that are. */
const FORBIDDEN_MODULES = new Map([
  ['timers', 'Timers'],
  ['timers/promises', 'Timers'],
  ['perf_hooks', 'Clock'],
])
const FORBIDDEN_IMPORTS = new Set([
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
  'webcrypto',
])

const GLOBAL_OBJECTS = new Set(['globalThis', 'window', 'self', 'global'])

function memberName(node) {
  if (!node.computed) return node.property.name
  return node.property.type === 'Literal' ? String(node.property.value) : undefined
}

function complaint(what, port) {
  return `${what} is ambient; take the ${port} port (src/core/ports/runtime.ts) as a parameter instead.`
}

/** What is wrong with this use of a global called `name`, if anything is. */
function judge(name, node) {
  const wholePort = FORBIDDEN_GLOBALS.get(name)
  if (wholePort !== undefined) return complaint(name, wholePort)

  const parent = node.parent
  if (name === 'Date') {
    const isCall = parent.type === 'CallExpression' && parent.callee === node
    const isClockRead = parent.type === 'NewExpression' && parent.arguments.length === 0
    if (isCall || isClockRead) return complaint('The current time', 'Clock')
  }

  const members = FORBIDDEN_MEMBERS.get(name)
  if (members === undefined) return undefined
  if (parent.type === 'MemberExpression' && parent.object === node) {
    const port = members.get(memberName(parent))
    return port === undefined ? undefined : complaint(`${name}.${memberName(parent)}`, port)
  }
  // `const { now } = Date` and `f(Math)` hide the member from the test above.
  const isHidden =
    parent.type === 'VariableDeclarator' ||
    (parent.type === 'CallExpression' && parent.arguments.includes(node))
  return isHidden ? complaint(`An alias of ${name}`, [...members.values()][0]) : undefined
}

function globalReferences(scope) {
  const builtIns = scope.variables
    .filter((variable) => variable.defs.length === 0)
    .flatMap((variable) => variable.references)
  return [...scope.through, ...builtIns]
}

function checkReference(context, { identifier }) {
  if (identifier.parent.type.startsWith('TS')) return
  let name = identifier.name
  let node = identifier
  if (GLOBAL_OBJECTS.has(name) && node.parent.type === 'MemberExpression') {
    node = node.parent
    name = memberName(node)
  }
  const message = name === undefined ? undefined : judge(name, node)
  if (message !== undefined) context.report({ node: identifier, message })
}

function checkImport(context, node) {
  const source = node.source.value.replace(/^node:/, '')
  const port = FORBIDDEN_MODULES.get(source)
  if (port !== undefined) context.report({ node, message: complaint(`Module ${source}`, port) })
  if (source !== 'crypto') return
  for (const specifier of node.specifiers) {
    const name = specifier.imported?.name
    if (FORBIDDEN_IMPORTS.has(name)) {
      context.report({ node: specifier, message: complaint(`crypto.${name}`, 'Random') })
    }
  }
}

const noAmbientEffects = {
  meta: {
    type: 'problem',
    docs: { description: 'Clock, randomness and timers come through ports, outside the drivers.' },
  },
  create(context) {
    return {
      ImportDeclaration: (node) => checkImport(context, node),
      'Program:exit': () => {
        const scope = context.sourceCode.scopeManager.globalScope
        for (const reference of globalReferences(scope)) checkReference(context, reference)
      },
    }
  },
}

export default {
  meta: { name: 'determinism' },
  rules: { 'no-ambient-effects': noAmbientEffects },
}
