"""Live: how long after its line has been appended a message is in `new/`, at a steady rate of lines, and what the disk alone takes."""
import ctypes
import itertools
import json
import multiprocessing
import os
import select
import struct
import time
from datetime import datetime, timedelta

from daemon import Daemon, settle
from workload import Failure, percentile

MOVED_TO, CREATED = 0x80, 0x100
RULE = """  ping:
    start: [Bench Ping]
"""


def stamp(milliseconds):
    return (datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds").encode() + b"Z"


class Source:
    """A live log: the lines of a made one with the time of their append."""

    def __init__(self, work, log, path):
        self.path = path
        path.unlink(missing_ok=True)
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.lines = []
        mark = b'"timestamp":"'
        with open(log, "rb") as lines:
            for line in itertools.islice(lines, 200_000):
                # What was received at a time of its own can't be moved by changing one field.
                if b'"receivedAt"' in line:
                    continue
                head, _, tail = line.partition(mark)
                self.lines.append((head + mark, tail[24:]))
        self.place = 0
        self.turn = 0

    def append(self, count, extra=b""):
        now = stamp(time.time_ns() // 1_000_000)
        parts = []
        for _ in range(count):
            head, tail = self.lines[self.place]
            if self.turn:
                # The same line again is another event.
                head = head.replace(b'"messageId":"', b'"messageId":"%d-' % self.turn, 1)
            parts.append(head + now + tail)
            self.place += 1
            if self.place == len(self.lines):
                self.place, self.turn = 0, self.turn + 1
        chunk = b"".join(parts) + extra
        begin = time.monotonic_ns()
        while chunk:
            chunk = chunk[os.write(self.file, chunk):]
        return begin


def watch(directory, ready, stop, answer):
    """Notes when names appear in a directory; a process of its own, so that the writer does not delay it."""
    c = ctypes.CDLL(None, use_errno=True)
    descriptor = c.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0 or c.inotify_add_watch(descriptor, os.fsencode(directory), MOVED_TO | CREATED) < 0:
        answer.send(None)
        return
    arrived = {}
    ready.set()
    while not stop.is_set():
        if not select.select([descriptor], [], [], 0.2)[0]:
            continue
        now = time.monotonic_ns()
        data, place = os.read(descriptor, 1 << 16), 0
        while place < len(data):
            _, _, _, length = struct.unpack_from("iIII", data, place)
            arrived.setdefault(data[place + 16:place + 16 + length].rstrip(b"\0").decode(), now)
            place += 16 + length
    answer.send(arrived)


def floor(directory, number, payload):
    """What the disk takes to make one small file durable under its name, in seconds."""
    temporary, final = directory / "tmp" / str(number), directory / "new" / str(number)
    begin = time.perf_counter()
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o640)
    os.write(file, payload)
    os.fsync(file)
    os.close(file)
    os.rename(temporary, final)
    folder = os.open(directory / "new", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return time.perf_counter() - begin


def floors(directory, stop, answer):
    """Measures the floor ten times a second, alternately with the messages."""
    for name in ("tmp", "new"):
        (directory / name).mkdir(parents=True)
    found = []
    while not stop.wait(0.1):
        found.append(floor(directory, len(found), b"x" * 700))
    answer.send(found)


def measure(work, lines, customers, rate, seconds, pings=50):
    """Writes `rate` lines a second for some seconds, with so many of them a second that cause a message."""
    source = Source(work, work.log(lines, customers), work.directory / "logs" / "live.ndjson")
    configuration, _, outbox = work.configuration(source.path, lateness="0s", clock="wall", rules=RULE)
    source.append(1000)
    context = multiprocessing.get_context("fork")
    stop, ready = context.Event(), context.Event()
    with Daemon(work, configuration) as daemon:
        settle(daemon, quiet=1.0)
        arrivals, arrival_end = context.Pipe(False)
        floor_times, floor_end = context.Pipe(False)
        helpers = [
            context.Process(target=watch, args=(str(outbox / "new"), ready, stop, arrival_end)),
            context.Process(target=floors, args=(work.fresh("floor"), stop, floor_end))]
        for helper in helpers:
            helper.start()
        if not ready.wait(10):
            raise Failure("the outbox can't be watched (inotify)")
        sent, written, late = {}, 0, 0.0
        warm = 2.0
        cpu = bytes_before = measured_from = None
        begin = time.monotonic()
        step = 0
        while (now := time.monotonic() - begin) < seconds + warm:
            if cpu is None and now >= warm:
                cpu, bytes_before, measured_from, written_before = daemon.cpu(), daemon.written(), now, written
            due = int(now * rate) - written
            extra = b""
            if step < int(now * pings):
                step += 1
                id = f"ping-{step}"
                extra = (
                    b'{"type":"track","event":"Bench Ping","messageId":"%s","userId":"u%08d","timestamp":"%s","properties":{}}\n'
                    % (id.encode(), step * 7919 % customers, stamp(time.time_ns() // 1_000_000)))
            at = source.append(max(0, due), extra)
            written += max(0, due)
            if extra and now >= warm:
                sent[id] = at
            time.sleep(max(0.0, 0.005 - (time.monotonic() - begin - now)))
            daemon.hear()
        elapsed = time.monotonic() - begin - measured_from
        share = (daemon.cpu() - cpu) / elapsed
        database = (daemon.written() - bytes_before) / max(1, written - written_before)
        time.sleep(1.5)
        resident = daemon.resident()
        stop.set()
        arrived, disk = arrivals.recv(), floor_times.recv()
        for helper in helpers:
            helper.join()
    taken, files = [], 0
    for path in (outbox / "new").iterdir():
        files += 1
        message = json.loads(path.read_bytes())["data"]
        if message["rule"] == "ping":
            for id in message["because"]:
                if id in sent and path.name in arrived:
                    taken.append((arrived[path.name] - sent[id]) / 1e9)
    if len(taken) < len(sent) * 0.99 - 2:
        raise Failure(f"of {len(sent)} lines that cause a message only {len(taken)} have a file in new/")
    return {
        "rate": (written - written_before) / elapsed, "seconds": elapsed, "samples": len(taken),
        "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "max": max(taken),
        "floor p50": percentile(disk, 0.5), "floor p99": percentile(disk, 0.99), "floors": len(disk),
        "share": share, "written": database, "resident": resident}
