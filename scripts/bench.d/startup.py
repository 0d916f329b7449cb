"""Large states: start-up, rest, and catch-up on top of them. The daemon builds a small state, whose customers are multiplied by SQL."""
import shutil
import sqlite3
from contextlib import closing

from daemon import Daemon, settle
from throughput import bare_pass, floor, state
from workload import LARGE, Failure, median, say

# The log that is read on top of a large state begins after the one that the state is made of.
NEXT = "2026-04-01T00:00:00Z"


def multiply(database, wanted):
    """Adds copies of the customers under the ids that the shop uses until there are `wanted`. What runs stays with the originals; each
    copy has a wake between 60 days and a year ahead, so that all of them are pending for as long as a log lasts."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA cache_size=-500000")
        columns = [row[1] for row in connection.execute("PRAGMA table_info(customer)")]
        count, last = connection.execute("SELECT count(*), max(number) FROM customer").fetchone()
        connection.execute("CREATE TEMP TABLE original AS SELECT * FROM customer WHERE anonymous = 0 AND id LIKE 'u%' LIMIT 2000")
        newest = connection.execute("SELECT max(last_seen) FROM customer").fetchone()[0]
        spread = f"{newest} + 5184000000 + abs(random() % 26352000000)"
        values = {
            "number": ":last + rowid", "id": "printf('u%08d', :base + rowid - 1)", "wake_at": spread, "timers": "NULL"}
        insert = (
            f"INSERT OR IGNORE INTO customer ({', '.join(columns)}) SELECT {', '.join(values.get(name, name) for name in columns)} "
            "FROM original LIMIT :limit")
        connection.execute(
            "CREATE TEMP TRIGGER pending AFTER INSERT ON main.customer BEGIN INSERT INTO wake VALUES (NEW.wake_at, NEW.number); END")
        made = connection.execute("SELECT count(*) FROM original").fetchone()[0]
        if not made:
            raise Failure("the small state has no customers to multiply")
        connection.execute("BEGIN")
        # Ids that are taken are passed over, so that a larger state can be made of a smaller one.
        base = 0
        while count < wanted:
            count += connection.execute(insert, {"last": last, "base": base, "limit": wanted - count}).rowcount
            last, base = last + made, base + made
        # New customers are numbered from here on.
        clock = connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()[0].split()
        clock[1] = str(max(int(clock[1]), last + 1))
        connection.execute("UPDATE meta SET value = ? WHERE key = 'clock'", (" ".join(clock),))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
        return connection.execute("SELECT count(*) FROM wake").fetchone()[0]


def measure(work, lines, customers, sizes, runs, more_lines):
    """For each size of the state: start-up (median), share of a core and wake-ups at rest, resident size, size on disk, and durable
    catch-up with a log of `more_lines` lines of so many customers."""
    configuration, directory, _ = work.configuration(work.log(lines, customers))
    work.drain(configuration)
    points = []
    for size in sizes:
        say(f"  a state of {size:,} customers …")
        timers = multiply(directory / "nudged.db", size)
        bytes_on_disk = (directory / "nudged.db").stat().st_size
        times = []
        for turn in range(runs):
            with Daemon(work, configuration) as daemon:
                times.append(daemon.ready)
                if turn == runs - 1:
                    settle(daemon, quiet=1.0)
                    rest = daemon.at_rest(5.0)
                    resident = daemon.resident()
        point = {
            "customers": size, "timers": timers, "ready": median(times), "slowest": max(times), "share": rest["share"],
            "wakes": rest["wakes"], "resident": resident, "database": bytes_on_disk}
        point.update(catch_up(work, directory, more_lines, size, 1 if size > 1_000_000 else min(3, runs)))
        points.append(point)
    shutil.rmtree(configuration.parent)
    return points


def catch_up(work, directory, lines, customers, runs):
    """Durable catch-up on top of a copy of a state, beside the bare pass over the same log."""
    log = work.log(lines, customers, start=NEXT)
    program = bare_pass(work)
    speeds, ratios, resident, bare = [], [], [], {}
    for _ in range(runs):
        passed = work.run([program, log]).seconds
        configuration, own, outbox = work.configuration(log)
        shutil.copytree(directory, own, ignore=shutil.ignore_patterns("lock", "status.json"))
        # An outbox is known by its id, which the state holds: it goes with the state.
        shutil.copytree(directory.parent / "outbox", outbox)
        run = work.drain(configuration)
        speeds.append(lines / run.seconds)
        ratios.append(passed / run.seconds)
        resident.append(run.resident)
        found, _, _ = state(own)
        if found < customers:
            raise Failure(f"the state had {customers} customers, and now has {found}")
        if customers == LARGE:
            seconds, cpu = floor(work, configuration, directory.parent)
            bare = {"floor": lines / seconds, "floor cpu": cpu / lines, "durable/floor": seconds / run.seconds}
        shutil.rmtree(configuration.parent)
    return {
        "lines": lines, "durable": median(speeds), "durable/pass": median(ratios), "working": median(resident), **bare}
