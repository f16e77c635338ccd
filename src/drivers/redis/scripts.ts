/**
 * All that runs inside Redis. A script is atomic and its effects are replicated as one, so what a
 * replica or a restarted server has lost, it has lost back to a moment between two scripts: with
 * the changes, the position that says that they were applied. Every key of a script is in one hash
 * slot.
 *
 * The head of a part (a hash): `incarnation` of the store, `life` (drawn anew whenever the part
 * begins with nothing), `base` (the position where it began), `applied`, and the floor of each bucket
 * that was raised since. An entry (a string): life 16, position 16, instant of expiry 16, kind 1,
 * then the row's bytes. Positions have 16 digits and are compared as text: no number of Lua, which
 * would be a double, is made of them.
 */
import type { CacheFaults } from '../cache/faults.ts'

/** Digits of positions and instants. */
export const DIGITS = 16
/** Where the position and the instant of an entry begin, and its kind is. */
export const POSITION_AT = 16
export const EXPIRES_AT: number = POSITION_AT + DIGITS
export const KIND_AT: number = EXPIRES_AT + DIGITS
/** Bytes before the row. */
export const ENTRY_HEAD_BYTES: number = KIND_AT + 1

/** What messages begin with. */
export const TOLD_APPLIED = 'applied'
export const TOLD_RESET = 'reset'

/** Texts of the scripts. */
export interface Scripts {
  readonly begin: string
  readonly read: string
  readonly fill: string
  readonly apply: string
  readonly clear: string
}

/**
 * Tells those who keep copies in their memory. Who may not publish has a cache all the same: they
 * are then told nothing, and keep nothing.
 */
function tell(channel: string, fields: string): string {
  return `redis.pcall('PUBLISH', ${channel}, cjson.encode(${fields}))`
}

/** KEYS head · ARGV incarnation, new life, position, channel, part → position to apply from. */
function begin(faults: CacheFaults): string {
  const base = faults.floorsFromZero === true ? `'${'0'.repeat(DIGITS)}'` : 'ARGV[3]'
  return `
local kind = redis.call('TYPE', KEYS[1])['ok']
local head = kind == 'hash' and redis.call('HMGET', KEYS[1], 'incarnation', 'applied') or {}
-- What is no position somebody else wrote.
if head[1] == ARGV[1] and string.match(head[2] or '', '^%d+$') and #head[2] == ${DIGITS} then
  return head[2]
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1],
  'incarnation', ARGV[1], 'life', ARGV[2], 'base', ${base}, 'applied', ARGV[3])
${tell('ARGV[4]', `{ '${TOLD_RESET}', ARGV[5] }`)}
return ARGV[3]`
}

/** KEYS head, entry… · ARGV incarnation → nothing, or applied and the entries. */
function read(faults: CacheFaults): string {
  const lives = faults.keepFormerLife === true ? 'raw' : 'raw and string.sub(raw, 1, 16) == head[2]'
  return `
local head = redis.call('HMGET', KEYS[1], 'incarnation', 'life', 'applied')
if head[1] ~= ARGV[1] then return {} end
local result = { head[3] }
for i = 2, #KEYS do
  local raw = redis.call('GET', KEYS[i])
  result[i] = (${lives}) and raw or false
end
return result`
}

/** KEYS head, entry, lease · ARGV incarnation, bucket, token, position, rest of the entry, ms → 1 or 0. */
function fill(faults: CacheFaults): string {
  const refuse =
    faults.fillBelowFloor === true ? '' : 'if ARGV[4] < (head[4] or head[3]) then return 0 end'
  return `
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[3])
local head = redis.call('HMGET', KEYS[1], 'incarnation', 'life', 'base', ARGV[2])
if head[1] ~= ARGV[1] then return 0 end
${refuse}
local there = redis.call('GETRANGE', KEYS[2], 0, 31)
if string.sub(there, 1, 16) == head[2] and string.sub(there, 17) > ARGV[4] then return 0 end
redis.call('SET', KEYS[2], head[2] .. ARGV[4] .. ARGV[5], 'PX', ARGV[6])
return 1`
}

/**
 * KEYS head, then entry and lease of each change · ARGV incarnation, after, position, 'last' where
 * no piece of the changes follows, channel, part, number of the piece, length of what names of
 * entries begin with, then bucket, position and rest of the entry ('' to drop it) of each change →
 * nil, or applied. A change renews an entry that is there; where there is none, its floor alone
 * keeps older rows from being filled. `applied` moves with the last piece.
 */
function apply(faults: CacheFaults): string {
  const refuse = faults.applyOverGap === true ? '' : 'if head[4] < ARGV[2] then return head[4] end'
  const change =
    faults.deleteInsteadOfFloor === true
      ? `redis.call('DEL', KEYS[i])`
      : `
  local there = redis.call('GETRANGE', KEYS[i], 0, 31)
  if there ~= '' then
    if string.sub(there, 1, 16) ~= head[2] or rest == '' and string.sub(there, 17) < position then
      redis.call('DEL', KEYS[i])
    elseif string.sub(there, 17) < position then
      redis.call('SET', KEYS[i], head[2] .. position .. rest, 'KEEPTTL')
    end
  end
  redis.call('DEL', KEYS[i + 1])
  local floor = redis.call('HGET', KEYS[1], bucket) or head[3]
  if floor < position then redis.call('HSET', KEYS[1], bucket, position) end`
  return `
local head = redis.call('HMGET', KEYS[1], 'incarnation', 'life', 'base', 'applied')
if head[1] ~= ARGV[1] then return false end
${refuse}
local told = { '${TOLD_APPLIED}', ARGV[6], ARGV[1], head[2], ARGV[2], ARGV[3], ARGV[7], ARGV[4] }
local at = 9
for i = 2, #KEYS, 2 do
  local bucket, position, rest = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  told[#told + 1] = string.sub(KEYS[i], ARGV[8] + 1)
${change}
end
if ARGV[3] <= head[4] then return head[4] end
${tell('ARGV[5]', 'told')}
if ARGV[4] == '' then return head[4] end
redis.call('HSET', KEYS[1], 'applied', ARGV[3])
return ARGV[3]`
}

/** KEYS head · ARGV channel, part. */
const clear = `
redis.call('DEL', KEYS[1])
${tell('ARGV[1]', `{ '${TOLD_RESET}', ARGV[2] }`)}`

/** The scripts; faults are for tests alone. */
export function scripts(faults: CacheFaults = {}): Scripts {
  return {
    begin: begin(faults),
    read: read(faults),
    fill: fill(faults),
    apply: apply(faults),
    clear,
  }
}
