"""The daemon as a service manager runs it, and what can be read of it from outside."""
import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from workload import Failure

TICK = os.sysconf("SC_CLK_TCK")


class Daemon:
    """A running `nudged run`; `ready` is the time in seconds from its start to READY=1."""

    def __init__(self, work, configuration):
        self.room = work.fresh("notify")
        self.room.mkdir()
        # The path of a socket is bounded: a relative one is short wherever the scratch directory is.
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(self.room / "socket")
        if len(path) > 100:
            raise Failure(f"the scratch directory's path is too long for a socket: {path}")
        self.socket.bind(path)
        self.errors = open(self.room / "errors", "wb")
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [work.binary, "run", "--config", configuration], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
            env={**os.environ, "NOTIFY_SOCKET": path, "SWIFT_BACKTRACE": "enable=no"})
        self.pid = self.process.pid
        self.status = ""
        try:
            self.wait("READY=1", 120)
        except BaseException:
            self.end()
            raise
        self.ready = time.perf_counter() - begin

    def wait(self, word, seconds):
        """Waits for a notification that holds `word`."""
        limit = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.001, min(1, limit - time.monotonic())))
            try:
                text = self.socket.recv(65536).decode(errors="replace")
            except TimeoutError:
                text = ""
            for line in text.splitlines():
                if line.startswith("STATUS="):
                    self.status = line[7:]
            if word in text:
                return
            if self.process.poll() is not None:
                raise Failure(f"the daemon ended with {self.process.returncode}: {self.said()}")
            if time.monotonic() > limit:
                raise Failure(f"the daemon did not say {word} within {seconds} s; it says: {self.status}; {self.said()}")

    def hear(self):
        """Takes what it has notified meanwhile."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65536)

    def said(self):
        return (self.room / "errors").read_text(errors="replace")[-2000:]

    def cpu(self):
        """Seconds of processor time of all its threads so far, by the kernel's clock of the process."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def switches(self):
        """How often each of its threads has gone to sleep by itself and been woken."""
        found = {}
        for status in Path(f"/proc/{self.pid}/task").glob("*/status"):
            with contextlib.suppress(OSError):
                for line in status.read_text().splitlines():
                    if line.startswith("voluntary_ctxt_switches"):
                        found[status.parent.name] = int(line.split()[1])
        return found

    def at_rest(self, seconds):
        """The share of a core and the wake-ups a minute over some seconds in which nothing is asked of it."""
        cpu, before, begin = self.cpu(), self.switches(), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - begin
        woken = sum(count - before.get(thread, 0) for thread, count in self.switches().items())
        return {"seconds": passed, "share": (self.cpu() - cpu) / passed, "wakes": woken / passed * 60}

    def resident(self):
        """The largest resident size so far, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        return 0

    def written(self):
        """Bytes that it has made the kernel write to a disk."""
        for line in Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes"):
                return int(line.split()[1])
        return 0

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.errors.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def rest(work, lines, customers, seconds):
    """An idle daemon that has read everything: its share of a core, and how often it wakes. Its timers are some hours ahead."""
    from latency import Source

    source = Source(work, work.log(lines, customers), work.directory / "logs" / "rest.ndjson")
    configuration, _, _ = work.configuration(source.path, lateness="0s", clock="wall")
    source.append(lines // 2)
    with Daemon(work, configuration) as daemon:
        # Half a minute after it has last done something it looks after the outbox once more.
        settle(daemon, quiet=35)
        return {**daemon.at_rest(seconds), "resident": daemon.resident(), "customers": customers}


def settle(daemon, quiet=3.0, limit=180):
    """Waits until the daemon has not worked for some seconds."""
    end = time.monotonic() + limit
    last, since = daemon.cpu(), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.25)
        daemon.hear()
        now = daemon.cpu()
        if now - last > 0.002:
            since = time.monotonic()
        last = now
        if time.monotonic() > end:
            raise Failure(f"the daemon does not come to rest within {limit} s")
