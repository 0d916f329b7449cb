"""Start-up with a large state: the daemon builds a small one, whose customers are multiplied by SQL with fresh ids."""
import shutil
import sqlite3
from contextlib import closing

from daemon import Daemon, settle
from workload import median, say


def small_state(work, lines, customers):
    log = work.log(lines, customers)
    configuration, state, _ = work.configuration(log)
    work.drain(configuration)
    return configuration, state


def multiply(database, wanted):
    """Adds copies of all customers until there are `wanted`; each has a timer between one hour and a year ahead."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA cache_size=-500000")
        columns = [row[1] for row in connection.execute("PRAGMA table_info(customer)")]
        count, last = connection.execute("SELECT count(*), max(number) FROM customer").fetchone()
        connection.execute("CREATE TEMP TABLE original AS SELECT * FROM customer ORDER BY id")
        newest = connection.execute("SELECT max(last_seen) FROM customer").fetchone()[0]
        spread = f"{newest} + 3600000 + abs(random() % 31536000000)"
        values = {"number": ":shift + rowid", "id": "printf('c%012d-', :shift) || id", "wake_at": spread}
        insert = (
            f"INSERT INTO customer ({', '.join(columns)}) SELECT {', '.join(values.get(name, name) for name in columns)} "
            "FROM original LIMIT :limit")
        connection.execute("BEGIN")
        connection.execute(f"UPDATE customer SET wake_at = {spread}")
        while count < wanted:
            added = connection.execute(insert, {"shift": last, "limit": wanted - count}).rowcount
            last, count = last + added, count + added
        connection.execute("COMMIT")
        timers = connection.execute("SELECT count(*) FROM customer WHERE wake_at IS NOT NULL").fetchone()[0]
        connection.execute("PRAGMA journal_mode=WAL")
    return timers


def measure(work, lines, customers, sizes, runs, seconds=5.0):
    """For each size of the state: start-up (median), share of a core and wake-ups at rest, resident size and size on disk."""
    configuration, state = small_state(work, lines, customers)
    points = []
    for size in sizes:
        say(f"  a state of {size:,} customers …")
        timers = multiply(state / "nudged.db", size)
        bytes_on_disk = (state / "nudged.db").stat().st_size
        times = []
        for turn in range(runs):
            with Daemon(work, configuration) as daemon:
                times.append(daemon.ready)
                if turn == runs - 1:
                    settle(daemon, quiet=1.0)
                    rest = daemon.at_rest(seconds)
                    resident = daemon.resident()
        points.append({
            "customers": size, "timers": timers, "ready": median(times), "slowest": max(times), "share": rest["share"],
            "wakes": rest["wakes"],
            "resident": resident, "database": bytes_on_disk})
    shutil.rmtree(configuration.parent)
    return points
