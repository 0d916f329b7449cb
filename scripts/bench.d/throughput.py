"""Replay, durable catch-up, the bare pass and the plain script on one log, alternately; and whether they give the same messages."""
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from workload import HERE, ROOT, Failure, median, say


def bare_pass(work):
    """Compiles the bare simdjson pass."""
    program = work.directory / "pass"
    if not program.exists():
        subprocess.run([ROOT / "scripts" / "need", "g++", "g++"], check=True)
        done = subprocess.run(
            ["g++", "-std=c++17", "-O2", "-o", program, HERE / "pass.cpp", "-lsimdjson"], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failure("the bare simdjson pass does not compile (is libsimdjson-dev installed?):\n" + done.stderr)
    return program


def sorted_lines(paths):
    lines = []
    for path in paths:
        with open(path, "rb") as file:
            lines += file.read().splitlines()
    return sorted(lines)


def published(outbox):
    return sorted_lines((outbox / "new").iterdir())


def compare(found):
    """Fails unless all have the same messages, byte for byte; gives how many there are."""
    (first, messages), *others = found.items()
    for name, others_messages in others:
        if messages == others_messages:
            continue
        ours, theirs = set(messages), set(others_messages)
        lines = [f"MESSAGES DIFFER: {first} has {len(messages)}, {name} has {len(others_messages)}."]
        for title, missing in ((f"only in {first}", ours - theirs), (f"only in {name}", theirs - ours)):
            lines += [f"  {title}: {len(missing)}"] + ["    " + line.decode(errors="replace")[:600] for line in sorted(missing)[:3]]
        raise Failure("\n".join(lines))
    return len(messages)


def rules(messages):
    counts = {}
    for message in messages:
        rule = json.loads(message)["data"]["rule"]
        counts[rule] = counts.get(rule, 0) + 1
    return counts


def state(directory):
    """What the durable run left: customers, members of the segments, bytes of the database."""
    database = directory / "nudged.db"
    with closing(sqlite3.connect(database)) as connection:
        customers = connection.execute("SELECT count(*) FROM customer").fetchone()[0]
        segments = dict(connection.execute("SELECT segment, count(*) FROM membership GROUP BY segment"))
    size = sum(path.stat().st_size for path in directory.glob("nudged.db*"))
    return customers, segments, size


def floor(work, configuration, before=None):
    """Seconds of wall clock and of the processor in which a program that decides nothing writes what a durable run wrote. What it writes is left:
    deleting thousands of files distorts what is measured after it."""
    home = configuration.parent
    commits = json.loads((home / "state" / "status.json").read_text())["commits"]
    target = work.fresh("floor")
    target.mkdir()
    if before:
        shutil.copy(before / "state" / "nudged.db", target)
    written = work.run(
        [sys.executable, HERE / "floor.py", home, max(1, commits), target, *([before] if before else [])]).output.read_text()
    for path in target.glob("nudged.db*"):
        path.unlink()
    result = json.loads(written)
    return result["seconds"], result["cpu"]


def measure(work, lines, customers, runs):
    """Medians of the four and of the floor, and of the ratios of each round."""
    log = work.log(lines, customers)
    program = bare_pass(work)
    plain = [sys.executable, HERE / "plain.py", log]
    rounds, found = [], {}
    resident, written = [], []
    for turn in range(runs):
        say(f"  round {turn + 1} of {runs}")
        one = {}
        passed = work.run([program, log])
        one["pass"] = lines / passed.seconds
        one["pass cpu"] = passed.cpu
        if int(passed.output.read_text().split()[0]) != lines:
            raise Failure("the bare pass did not see every line")

        configuration, _, _ = work.configuration(log)
        replayed = work.replay(configuration)
        one["replay"] = lines / replayed.seconds
        one["replay cpu"] = replayed.cpu

        configuration, directory, outbox = work.configuration(log)
        durable = work.drain(configuration)
        one["durable"] = lines / durable.seconds
        one["durable cpu"] = durable.cpu
        seconds, one["floor cpu"] = floor(work, configuration)
        one["floor"] = lines / seconds
        resident.append(durable.resident)
        written.append(durable.written)

        found = {"replay": sorted_lines([replayed.output]), "the durable run": published(outbox)}
        messages = work.fresh("messages")
        scripted = work.run([*plain, "--messages", messages, "--database", work.fresh("plain.db")])
        one["python"] = lines / scripted.seconds
        one["python cpu"] = scripted.cpu
        found["the plain script"] = sorted_lines([messages])
        report = json.loads(scripted.output.read_text().splitlines()[-1])
        count = compare(found)
        customers_found, segments, size = state(directory)
        if report["segments"] != segments or report["customers"] != customers_found:
            raise Failure(
                f"SEGMENTS DIFFER: {segments} of {customers_found} customers in the durable run, "
                f"{report['segments']} of {report['customers']} in the plain script")
        rounds.append(one)
        for path in work.directory.glob("output-*"):
            path.unlink()

    def of(name):
        return median([one[name] for one in rounds if name in one])

    def ratio(name, base):
        return median([one[name] / one[base] for one in rounds if base in one])

    return {
        "lines": lines, "customers": customers_found, "runs": runs, "bytes": log.stat().st_size, "messages": count,
        "by_rule": rules(found["replay"]), "segments": segments, "parser": report["parser"],
        **{name: of(name) for name in ("pass", "replay", "durable", "python", "floor")},
        **{f"{name}/{base}": ratio(name, base) for name in ("replay", "durable") for base in ("pass", "python")},
        "durable/floor": ratio("durable", "floor"),
        "resident": median(resident), "written_with_outbox": median(written), "database": size,
        "cpu": {name: of(name + " cpu") / lines for name in ("pass", "replay", "durable", "python", "floor")},
    }


def written(work, lines, customers):
    """Bytes that go to the disk for the database alone: the outbox is in memory meanwhile, if there is such a place."""
    log = work.log(lines, customers)
    if not Path("/dev/shm").is_dir():
        return None
    outbox = tempfile.mkdtemp(prefix="nudged-bench-", dir="/dev/shm")
    try:
        configuration, directory, _ = work.configuration(log, outbox=Path(outbox) / "outbox")
        run = work.drain(configuration)
        customers_found, _, size = state(directory)
    finally:
        shutil.rmtree(outbox, ignore_errors=True)
    return {"lines": lines, "written": run.written / lines, "size": size / customers_found, "customers": customers_found}
