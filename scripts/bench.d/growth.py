"""How cost grows with events and with rules. (With customers and pending timers: `startup.py`.)"""
import shutil

from throughput import state
from workload import Failure, median, say


def run_both(work, log, lines, runs, **settings):
    """Medians of a replay and of a durable run of one log."""
    replays, drains, resident, size, customers = [], [], [], 0, 0
    for _ in range(runs):
        configuration, directory, _ = work.configuration(log, **settings)
        replays.append(lines / work.replay(configuration).seconds)
        run = work.drain(configuration)
        drains.append(lines / run.seconds)
        resident.append(run.resident)
        # Left where it is: what is written just after thousands of files were deleted takes many times as long (docs/performance.md).
        customers, _, size = state(directory)
    return {
        "replay": median(replays), "durable": median(drains), "resident": median(resident), "database": size, "customers": customers}


def events(work, counts, customers, runs):
    points = []
    for count in counts:
        say(f"  {count:,} events")
        points.append({"x": count, **run_both(work, work.log(count, customers), count, runs)})
    return points


def other_names(count):
    """Rules that wait for events which no line has."""
    return "".join(f"  other-{n}:\n    start: [Other Event {n}]\n    if: profile.count(\"Other Event {n}\", \"7d\") > 1\n" for n in range(count))


def shared_condition(count):
    """Rules that all are started by the most frequent event under one condition, which is never true."""
    return "".join(
        f"  shared-{n}:\n    start: [{{ event: Page Viewed, where: 'profile.count(\"Page Viewed\", \"1d\") > 100000' }}]\n"
        for n in range(count))


def rules(work, counts, lines, customers_count, runs):
    """Replays with so many rules more than the shipped three, of either kind. Such rules cause no message."""
    log = work.log(lines, customers_count)
    points, expected = [], None
    for count in counts:
        say(f"  {count:,} rules")
        point = {"x": count, "lines": lines}
        for name, text in (("other events", other_names(count)), ("shared condition", shared_condition(count))):
            speeds = []
            for _ in range(runs):
                configuration, _, _ = work.configuration(log, rules=text)
                run = work.replay(configuration)
                speeds.append(lines / run.seconds)
                shutil.rmtree(configuration.parent)
                found = run.output.stat().st_size
                run.output.unlink()
                if found != (expected or found):
                    raise Failure(f"{count} rules that cause no message change the messages of the others")
                expected = found
            point[name] = median(speeds)
        points.append(point)
    return points
