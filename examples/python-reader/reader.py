"""Reads a shop's rows over the SQL endpoint of a node: reader.py URL [TOKEN]."""

import sys

import libsql

url = sys.argv[1]
token = sys.argv[2] if len(sys.argv) > 2 else ""
connection = libsql.connect(url, auth_token=token)


def rows(sql, parameters=()):
    return connection.execute(sql, parameters).fetchall()


print("tables and views:", [name for (name,) in rows("SELECT name FROM sqlite_schema")])
print("orders over 10 euros:", rows("SELECT id, cents FROM orders WHERE cents > ? ORDER BY id", (1000,)))
print("sales:", rows("SELECT thing, orders, cents FROM sales ORDER BY thing"))

try:
    connection.execute("DELETE FROM orders")
except ValueError as error:
    print("a write is refused:", "SQL_READ_ONLY" in str(error))
