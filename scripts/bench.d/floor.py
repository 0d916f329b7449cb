"""What a durable run wrote, written once more by a program that decides nothing: the floor of writing.

Usage: floor.py AFTER COMMITS TARGET [BEFORE]

AFTER is a home (`state/nudged.db`, `outbox/new`) as the run left it, BEFORE as it was, TARGET an empty directory, or one with a copy of the
database of BEFORE. Every row that differs, and every new message, is written once, in as many transactions as the run had, each part in the
order of its table, with the protocol of a message: file, one syncfs, commit with synchronous=FULL, rename, fsync of both directories. Rows and
messages are in memory before it begins. Prints seconds of wall clock and of the processor as JSON.
"""
import ctypes
import json
import os
import resource
import sqlite3
import sys
import time
from pathlib import Path

# By table: its integer key, and by what its rows are given to the transactions.
LARGE_TABLES = {"customer": ("number", "last_seen"), "seen_earlier": ("number", "number"), "message": ("sequence", "sequence"),
                "decision": ("number", "number")}


def schema(connection, name):
    return connection.execute(f"SELECT type, name, sql FROM {name}.sqlite_master WHERE sql IS NOT NULL").fetchall()


def load(connection, before, commits):
    """Copies the rows that are to be written into memory, each with the number of its transaction."""
    for table, (key, order) in LARGE_TABLES.items():
        new = ""
        if before:
            known = f"SELECT max({key}) FROM main.{table}"
            new = f"WHERE {key} > coalesce(({known}), 0)"
            if table == "customer":
                new += f" OR last_seen <> (SELECT last_seen FROM main.customer c WHERE c.number = r.number)"
        connection.execute(
            f"CREATE TABLE ram.{table} AS SELECT r.*, ntile({commits}) OVER (ORDER BY {order}) AS part FROM after.{table} r {new}")
        connection.execute(f"CREATE INDEX ram.{table}_by_part ON {table} (part, {key})")
    small = []
    if not before:
        for kind, name, _ in schema(connection, "after"):
            if kind == "table" and name not in LARGE_TABLES:
                connection.execute(f"CREATE TABLE ram.{name} AS SELECT * FROM after.{name}")
                small.append(name)
    return small


def main():
    after, commits, target = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    before = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    connection = sqlite3.connect(target / "nudged.db", isolation_level=None)
    connection.execute("ATTACH ? AS after", (str(after / "state/nudged.db"),))
    connection.execute("ATTACH ':memory:' AS ram")
    if not before:
        connection.execute("PRAGMA main.page_size=4096")
    connection.execute("PRAGMA main.journal_mode=WAL")
    connection.execute("PRAGMA main.synchronous=FULL")
    connection.execute("PRAGMA main.wal_autocheckpoint=16384")
    connection.execute("PRAGMA main.cache_size=-2048")
    tables = schema(connection, "after")
    for kind, name, sql in tables:
        if before and kind == "trigger":
            connection.execute(f"DROP TRIGGER main.{name}")
        elif not before and kind in ("table", "index"):
            connection.execute(sql)
    columns = {
        table: ", ".join(row[1] for row in connection.execute(f"PRAGMA after.table_info({table})")) for table in LARGE_TABLES}
    small = load(connection, before, commits)
    connection.execute("DETACH after")
    old = set(os.listdir(before / "outbox/new")) if before else set()
    names = sorted(set(os.listdir(after / "outbox/new")) - old)
    contents = [(after / "outbox/new" / name).read_bytes() for name in names]
    boxes = {}
    for name in ("tmp", "new"):
        (target / name).mkdir()
        boxes[name] = os.open(target / name, os.O_RDONLY)
    libc = ctypes.CDLL(None)

    def used():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    begin, busy = time.perf_counter(), used()
    for part in range(1, commits + 1):
        mine = range(len(names) * (part - 1) // commits, len(names) * part // commits)
        for index in mine:
            file = os.open(names[index], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=boxes["tmp"])
            os.write(file, contents[index])
            os.close(file)
        libc.syncfs(boxes["tmp"])
        connection.execute("BEGIN")
        for table, (key, _) in LARGE_TABLES.items():
            connection.execute(
                f"INSERT OR REPLACE INTO main.{table} SELECT {columns[table]} FROM ram.{table} WHERE part = ? ORDER BY {key}", (part,))
        if part == commits:
            for table in small:
                connection.execute(f"INSERT INTO main.{table} SELECT * FROM ram.{table}")
        connection.execute("COMMIT")
        for index in mine:
            os.rename(names[index], names[index], src_dir_fd=boxes["tmp"], dst_dir_fd=boxes["new"])
        for box in boxes.values():
            os.fsync(box)
    connection.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")
    print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": used() - busy}))


if __name__ == "__main__":
    main()
