/**
 * Draws each snapshot that the server sends: one column a region, the same table in all of them, so
 * that a row is seen to arrive. Values go into the page as text alone.
 */
const byId = (id) => document.getElementById(id)
const template = byId('region')
const sections = new Map()
let chosen = location.hash.slice(1)
let latest

function element(tag, className, text) {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

function sectionOf(region) {
  const known = sections.get(region.name)
  if (known !== undefined) return known
  const node = template.content.firstElementChild.cloneNode(true)
  const section = { node, rows: new Set(), shown: undefined, lastChange: undefined }
  sections.set(region.name, section)
  byId('regions').append(node)
  return section
}

function drawTables(snapshot) {
  const tables = snapshot.regions[0]?.rows ?? []
  if (!tables.some((table) => table.name === chosen)) chosen = tables[0]?.name ?? ''
  byId('tables').replaceChildren(
    ...tables.map(({ name, kind }) => {
      const button = element('button', `${kind}-kind`, `${name} `)
      button.append(element('span', 'kind', kind))
      button.setAttribute('aria-pressed', String(name === chosen))
      button.addEventListener('click', () => {
        chosen = name
        history.replaceState(null, '', `#${name}`)
        draw(latest)
      })
      return button
    }),
  )
}

function drawStream({ from, behind, error }) {
  const line = element('li', '')
  line.append(element('span', '', `from ${from}`))
  if (error !== null) line.append(element('span', 'stands', error))
  else if (behind > 0) line.append(element('span', 'behind', `${behind} behind`))
  else line.append(element('span', '', 'has everything'))
  return line
}

function drawRows(section, table) {
  const isSame = section.shown === table.name
  const rows = new Set()
  const body = element('tbody', '')
  for (const cells of table.rows) {
    const key = JSON.stringify(cells)
    rows.add(key)
    const row = element('tr', isSame && !section.rows.has(key) ? 'new' : '')
    row.append(...cells.map(({ kind, text }) => element('td', kind, text)))
    body.append(row)
  }
  section.rows = rows
  section.shown = table.name
  const head = element('tr', '')
  head.append(...table.columns.map((column) => element('th', '', column)))
  const shown = element('table', '')
  const thead = element('thead', '')
  thead.append(head)
  shown.append(thead, body)
  const count = table.count === 1 ? '1 row' : `${table.count.toLocaleString('en')} rows`
  const more = table.count > table.rows.length ? `, the latest ${table.rows.length} shown` : ''
  return [shown, element('p', 'count', count + more)]
}

function drawChange(change, lastChange) {
  const isNew = lastChange !== undefined && change.position > lastChange
  const line = element('li', isNew ? 'new' : '')
  const time = new Date(change.atMs).toLocaleTimeString()
  const key = change.tenant === '' ? change.key : `${change.tenant} / ${change.key}`
  const cause = change.cause === 'user' ? '' : ` (${change.cause})`
  line.append(
    element('span', '', time),
    element('span', `op-${change.op}`, change.op),
    element('span', '', `${change.table} ${key}${cause}`),
    element('span', 'origin', change.origin),
  )
  return line
}

function drawRegion(region) {
  const section = sectionOf(region)
  const part = (name) => section.node.querySelector(`.${name}`)
  part('name').textContent = region.name
  part('role').textContent = region.isLeader ? 'orders strong writes' : ''
  part('url').textContent = region.url
  part('strong').textContent = region.strongIndex
  part('changes-end').textContent = region.changePosition
  part('views').textContent = region.viewPosition
  part('streams').replaceChildren(...region.streams.map(drawStream))
  const table = region.rows.find((one) => one.name === chosen)
  part('rows').replaceChildren(...(table === undefined ? [] : drawRows(section, table)))
  part('changes').replaceChildren(
    ...region.changes.map((change) => drawChange(change, section.lastChange)),
  )
  section.lastChange = region.changes[0]?.position ?? 0
}

function draw(snapshot) {
  latest = snapshot
  const delays = Object.entries(snapshot.delaysMs).map(([pair, ms]) => `${pair} ${ms} ms`)
  byId('schema').textContent =
    `${snapshot.schemaFile} · version ${snapshot.schemaVersion} · one way: ${delays.join(', ')}`
  byId('problem').hidden = snapshot.schemaError === null
  byId('problem').textContent =
    snapshot.schemaError === null
      ? ''
      : `${snapshot.schemaError}\nThe schema before this edit is still served.`
  drawTables(snapshot)
  for (const region of snapshot.regions) drawRegion(region)
}

const events = new EventSource('/dev/events')
events.addEventListener('open', () => {
  byId('link').textContent = 'live'
  byId('link').className = 'live'
})
events.addEventListener('error', () => {
  byId('link').textContent = 'not connected; trying again'
  byId('link').className = ''
})
events.addEventListener('message', (event) => draw(JSON.parse(event.data)))
