/** Random statements that mean something: over tables that exist, with values of every type. */
import type { InValue } from '@libsql/client'

/** One statement, and what matters when two servers' answers to it are compared. */
export interface RandomStatement {
  readonly sql: string
  readonly args: InValue[] | Record<string, InValue>
  /** Whether it inserts into a table whose rows have ids. */
  readonly insertsRowid: boolean
}

/** Draws numbers in [0, 1) from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The tables that the statements are about. */
export const SCHEMA = `
  CREATE TABLE plain (id INTEGER PRIMARY KEY, a, b TEXT, c REAL, d NUMERIC, e BLOB);
  CREATE INDEX plain_b ON plain (b);
  CREATE TABLE typed (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, r REAL, t TEXT UNIQUE,
    x ANY, double INTEGER GENERATED ALWAYS AS (n * 2) VIRTUAL, CHECK (n > -1000)) STRICT;
  CREATE TABLE pairs (k TEXT, v INTEGER, w VARCHAR(20), PRIMARY KEY (k, v)) WITHOUT ROWID;
  CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES typed(id) ON DELETE CASCADE,
    note TEXT DEFAULT 'none');
  CREATE VIEW summary AS SELECT b, count(*) AS n, sum(c) AS total FROM plain GROUP BY b;
  CREATE TRIGGER plain_deleted AFTER DELETE ON plain BEGIN
    INSERT OR REPLACE INTO pairs VALUES ('deleted', old.id % 10, old.b);
  END;
`

/** Keeps the tables small: what is read in full is read fast. */
export const TRIMMING: readonly RandomStatement[] = [
  'DELETE FROM plain WHERE id > 40',
  'DELETE FROM child WHERE id > 20',
  'DELETE FROM typed WHERE id < (SELECT max(id) FROM typed) - 30',
  'DELETE FROM pairs WHERE v > 25',
].map(plain)

const TEXTS = [
  '',
  'a',
  'b',
  'abc',
  "it's",
  'ÄÖ',
  '漢字',
  '\u{1F600}',
  '5',
  '1.5',
  ' x ',
  '%',
  '{"k":[1,2]}',
]
const FUNCTIONS = [
  'typeof(a)',
  'coalesce(a, b, c)',
  'upper(b)',
  'length(e)',
  'hex(e)',
  'quote(d)',
  'round(c, 1)',
  'CAST(b AS INTEGER)',
  'CAST(c AS TEXT)',
  "printf('%05d|%s', id, b)",
  "b LIKE 'a%'",
  "b GLOB '[a-c]*'",
  'substr(b, 2)',
  'json_array(id, quote(b), quote(c))',
  "iif(c > 0, 'p', 'n')",
  'id % 3',
  '-c',
  'a IS NULL',
  "replace(b, 'a', 'z')",
  'abs(id - 50)',
  "date(id * 86400, 'unixepoch')",
]

/** A source of statements. */
export class RandomStatements {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  /** `errors`: how often a statement is wrong in itself; those that violate constraints come besides. */
  next(errors: number): RandomStatement {
    if (this.chance(errors))
      return plain(this.#of(['SELEC 1', 'SELECT * FROM nowhere', 'SELECT nope()']))
    const kind = this.#random()
    if (kind < 0.35) return this.#insert()
    if (kind < 0.47) return this.#update()
    if (kind < 0.52) return this.#delete()
    return this.#select()
  }

  #of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  #value(): InValue {
    switch (this.below(9)) {
      case 0:
        return null
      case 1:
        return this.below(100)
      case 2:
        return this.#random() * 200 - 100
      case 3:
        return BigInt(this.below(1000))
      case 4:
        return this.#of([2n ** 62n, -(2n ** 63n), 2n ** 53n + 1n, -1n])
      case 5:
        // ASCII: what is not UTF-8 becomes a text by many functions, and on a file ends the process.
        return new Uint8Array(Array.from({ length: this.below(6) }, () => 1 + this.below(127)))
      case 6:
        return this.chance(0.5)
      default:
        return this.#of(TEXTS)
    }
  }

  #id(): bigint {
    return BigInt(1 + this.below(60))
  }

  #insert(): RandomStatement {
    const returning = this.chance(0.2)
    switch (this.below(5)) {
      case 0:
      case 1: {
        const head = this.#of([
          'INSERT INTO',
          'INSERT OR IGNORE INTO',
          'INSERT OR REPLACE INTO',
          'REPLACE INTO',
        ])
        const id = this.chance(0.5) && !head.startsWith('INSERT INTO') ? this.#id() : null
        const tail = returning
          ? this.#of([
              ' RETURNING *',
              ' RETURNING id, a x, b AS y, c',
              ' RETURNING c + 1, upper(b)',
            ])
          : ''
        return {
          sql: `${head} plain VALUES (?, ?, ?, ?, ?, ?)${tail}`,
          args: [id, this.#value(), this.#value(), this.#value(), this.#value(), this.#value()],
          insertsRowid: !returning,
        }
      }
      case 2:
        return {
          sql:
            'INSERT INTO typed (n, r, t, x) VALUES (:n, :r, :t, :x) ' +
            'ON CONFLICT (t) DO UPDATE SET n = excluded.n, x = typed.n' +
            (returning ? ' RETURNING id, n, r, double' : ''),
          args: {
            n: this.#id(),
            r: this.#random(),
            t: `${this.#of(TEXTS)}${this.below(50)}`,
            x: this.#value(),
          },
          // An update in place of an insert has no new row id.
          insertsRowid: false,
        }
      case 3:
        return {
          sql: `INSERT INTO pairs VALUES (?, ?, ?) ON CONFLICT DO NOTHING${returning ? ' RETURNING k, v' : ''}`,
          args: [this.#of(TEXTS), this.#id(), this.#of(TEXTS)],
          insertsRowid: false,
        }
      default:
        return {
          sql: 'INSERT INTO child (parent) SELECT id FROM typed WHERE n > ? LIMIT 3',
          args: [this.#id()],
          insertsRowid: true,
        }
    }
  }

  #update(): RandomStatement {
    const id = this.#id()
    switch (this.below(4)) {
      case 0:
        return {
          sql: 'UPDATE plain SET a = ?, c = c + 1 WHERE id BETWEEN ? AND ? RETURNING id, a, c',
          args: [this.#value(), id, id + 3n],
          insertsRowid: false,
        }
      case 1:
        return {
          sql: 'UPDATE plain SET b = $b WHERE id % 17 = $m',
          args: { b: this.#value(), m: BigInt(this.below(17)) },
          insertsRowid: false,
        }
      case 2:
        return plain(
          `UPDATE typed SET r = p.c FROM plain AS p WHERE p.id = typed.id AND p.id < ${id} AND typeof(p.c) = 'real'`,
        )
      default:
        return {
          sql: 'UPDATE OR IGNORE typed SET t = @t WHERE id = @id',
          args: { '@t': this.#of(TEXTS), id },
          insertsRowid: false,
        }
    }
  }

  #delete(): RandomStatement {
    const args = [this.#id()]
    const sql = this.#of([
      'DELETE FROM plain WHERE id = ?',
      'DELETE FROM plain WHERE id = ? RETURNING *',
      'DELETE FROM typed WHERE id = ?',
      'DELETE FROM pairs WHERE v = ?1 OR v = ?1 + 1',
      'WITH gone(id) AS (SELECT id FROM child WHERE id > ? LIMIT 2) DELETE FROM child WHERE id IN gone',
    ])
    return { sql, args, insertsRowid: false }
  }

  #select(): RandomStatement {
    const id = this.#id()
    const [f, g] = [this.#of(FUNCTIONS), this.#of(FUNCTIONS)]
    const args = [id]
    const sql = this.#of([
      'SELECT * FROM plain WHERE id = ?',
      `SELECT id, ${f}, ${g} AS g FROM plain WHERE id > ? ORDER BY id LIMIT 5`,
      `SELECT ${f} AS f, count(*), min(c), max(d) FROM plain WHERE id < ? GROUP BY 1 ORDER BY 1, 2 LIMIT 10`,
      'SELECT b, count(*), sum(id), avg(id), group_concat(id) FROM plain WHERE id < ? GROUP BY b HAVING count(*) > 1',
      'SELECT p.id, t.n, t.double FROM plain p JOIN typed t ON t.id = p.id WHERE p.id > ? ORDER BY p.id LIMIT 5',
      'SELECT t.id, c.note FROM typed t LEFT JOIN child c ON c.parent = t.id WHERE t.id < ? ORDER BY t.id, c.id LIMIT 5',
      'SELECT id, row_number() OVER (ORDER BY id DESC), sum(n) OVER (ORDER BY id) FROM typed WHERE id > ? LIMIT 5',
      'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10) SELECT x, x * ?1 FROM c',
      'SELECT k, v, w FROM pairs WHERE v > ? UNION ALL SELECT b, id, b FROM plain WHERE id < 5 ORDER BY 2, 1 LIMIT 8',
      'SELECT id FROM plain WHERE id IN (SELECT parent FROM child) OR id = ? EXCEPT SELECT n FROM typed',
      'SELECT DISTINCT typeof(x), x FROM typed WHERE n < ? ORDER BY id LIMIT 6',
      'SELECT * FROM summary WHERE n > ?1 % 5 ORDER BY b LIMIT 4',
      'SELECT EXISTS (SELECT 1 FROM typed WHERE id = ?), (SELECT max(id) FROM plain)',
      `SELECT value, key FROM json_each('[1, 2.5, "x", null, true]') WHERE key < ?`,
      'VALUES (?, 1), (NULL, 2.5)',
      'EXPLAIN QUERY PLAN SELECT * FROM plain WHERE b = ?',
    ])
    if (this.chance(0.03))
      return plain(
        this.#of(['PRAGMA table_info(typed)', 'PRAGMA foreign_keys', 'PRAGMA user_version']),
      )
    return { sql, args, insertsRowid: false }
  }
}

function plain(sql: string): RandomStatement {
  return { sql, args: [], insertsRowid: false }
}
