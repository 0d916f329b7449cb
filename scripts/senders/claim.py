"""The sender's side of an outbox: claim a message, and say what became of it.

Copy this file beside your own sender; docs/senders.md explains every step. A sender is a function that takes an event
(the parsed CloudEvent) and its bytes, returns when the provider has accepted it, and raises Permanent or Temporary:

    import claim

    def send(event, body):
        ...                                   # event["id"] is the idempotency key
        raise claim.Permanent("HTTP 400")     # will never work: failed/, with this reason
        raise claim.Temporary("HTTP 503")     # may work later: tried again, then given back

    claim.main("what it does", lambda parser: None, lambda options: send)

Reasons and log lines never hold anything of a message but its file name.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import random
import re
import signal
import sys
import threading
import time

NAME = re.compile(r"[0-9]{8}T[0-9]{9}Z-[a-z2-7]{32}\.json")


class Permanent(Exception):
    """This message will never be accepted; the text becomes its reason."""


class Temporary(Exception):
    """This message may be accepted later. `after`: seconds that the provider asked to wait, if it did."""

    def __init__(self, reason, after=None):
        super().__init__(reason)
        self.after = after


class Claim:
    """A message that this process and no other may send, as long as the process lives or until it is settled."""

    def __init__(self, outbox, name, descriptor):
        self.outbox, self.name, self.descriptor = outbox, name, descriptor

    @classmethod
    def take(cls, outbox, name):
        """Claims new/NAME. None if somebody else has it, or it is gone."""
        new, cur = os.path.join(outbox, "new", name), os.path.join(outbox, "cur", name)
        try:
            descriptor = os.open(new, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            # The lock says "alive": the daemon gives back only what it can lock itself. It ends with the process.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The rename decides: a file leaves new/ once.
            os.rename(new, cur)
            # The name may have become another file's since the open. That one is not locked, so it is not ours.
            if not os.path.samestat(os.stat(cur, follow_symlinks=False), os.fstat(descriptor)):
                os.rename(cur, new)
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(outbox, name, descriptor)

    def read(self):
        """The message's bytes, read from the file that is locked."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            return file.read()

    def sent(self, delete=False):
        """The provider has it. False if the file is gone (the message was erased meanwhile)."""
        return self._leave(None if delete else "done")

    def give_up(self, reason):
        """It can never be sent. The reason first, so that nothing is in failed/ without one."""
        path = os.path.join(self.outbox, "failed", self.name + ".reason")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(" ".join(reason.split()) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._leave("failed"):
            return True
        os.unlink(path)
        return False

    def give_back(self):
        """Somebody may try again later, this sender or another."""
        return self._leave("new")

    def _leave(self, folder):
        cur = os.path.join(self.outbox, "cur", self.name)
        try:
            if folder is None:
                os.unlink(cur)
            else:
                os.rename(cur, os.path.join(self.outbox, folder, self.name))
        except FileNotFoundError:
            return False
        finally:
            os.close(self.descriptor)
        # Durable before the next message: else a power loss would bring back what the provider has already.
        for changed in (folder, "cur"):
            if changed:
                directory = os.open(os.path.join(self.outbox, changed), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)
        return True


@contextlib.contextmanager
def deadline(seconds):
    """Ends what takes longer, as a TimeoutError. The time-out of a socket does not: each byte that drips in begins it anew."""

    def ring(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Sender:
    """Claims what is in new/, oldest first, and sends it."""

    def __init__(self, options, send):
        self.options, self.send = options, send
        self.stopping = threading.Event()
        self.not_before = {}  # messages that were given back: when to try them again, monotonic seconds

    def run(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        new = os.path.join(self.options.outbox, "new")
        while not self.stopping.is_set():
            names = os.listdir(new)
            self.not_before = {name: moment for name, moment in self.not_before.items() if name in set(names)}
            settled = 0
            for name in sorted(filter(NAME.fullmatch, names)):
                if self.stopping.is_set():
                    break
                if self.not_before.get(name, 0) <= time.monotonic():
                    claim = Claim.take(self.options.outbox, name)
                    if claim:
                        self.deliver(claim)
                        settled += 1
            if self.options.once or (self.options.until_empty and not os.listdir(new)):
                return
            if not settled:
                self.stopping.wait(self.options.poll)

    def deliver(self, claim):
        """Sends one message, trying again while that may help, and settles its claim."""
        try:
            body = claim.read()
            event = parse(claim.name, body)
            for attempt in range(1, self.options.attempts + 1):
                if expired(event):
                    raise Permanent("expired before it could be sent")
                try:
                    self.send(event, body)
                    break
                except Temporary as failure:
                    pause = self.pause(attempt, failure.after)
                    if attempt == self.options.attempts or self.stopping.is_set():
                        raise
                    log(claim.name, f"{failure}; trying again in {pause:.1f} s")
                    self.stopping.wait(pause)
                    if self.stopping.is_set():
                        raise
        except Permanent as failure:
            claim.give_up(str(failure))
            log(claim.name, f"given up: {failure}")
        except Temporary as failure:
            pause = self.pause(self.options.attempts, failure.after)
            self.not_before[claim.name] = time.monotonic() + pause
            claim.give_back()
            log(claim.name, f"given back: {failure}")
        else:
            found = claim.sent(delete=self.options.delete)
            log(claim.name, "sent" if found else "sent; its file was removed meanwhile")

    def pause(self, attempt, asked):
        """Seconds until the next attempt: doubling, with jitter so that many senders do not come back all at once."""
        doubled = min(self.options.backoff * 2 ** (attempt - 1), self.options.max_backoff)
        return min(max(random.uniform(doubled / 2, doubled), asked or 0), self.options.max_backoff)


def parse(name, body):
    """The event; the id in a message's file name is its own."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise Permanent("not JSON") from None
    if not isinstance(event, dict) or event.get("id") != name[20:52]:
        raise Permanent("not the CloudEvent of its file's name")
    return event


def expired(event):
    """Whether the message's `expirytime` has passed, by this machine's clock."""
    try:
        moment = datetime.datetime.fromisoformat(event["expirytime"].replace("Z", "+00:00"))
        return moment <= datetime.datetime.now(datetime.timezone.utc)
    except (KeyError, AttributeError, ValueError, TypeError):
        return False


def log(name, what):
    print(f"{name}: {what}", file=sys.stderr, flush=True)


def main(description, arguments, sender):
    """A sender's command line. `arguments(parser)` adds its own flags, `sender(options)` returns its send function."""
    environment = os.environ.get
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--outbox", default=environment("NUDGED_OUTBOX", "/var/spool/nudged/outbox"), help="NUDGED_OUTBOX")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--once", action="store_true", help="go through new/ once")
    ends.add_argument("--until-empty", action="store_true", help="end when nothing at all is left in new/")
    parser.add_argument("--delete", action="store_true", help="delete what was sent instead of moving it to done/")
    parser.add_argument("--poll", type=float, default=1.0, help="seconds between looks at an idle new/")
    parser.add_argument("--attempts", type=int, default=5, help="tries before a message is given back")
    parser.add_argument("--backoff", type=float, default=1.0, help="seconds before the second try; doubles each time")
    parser.add_argument("--max-backoff", type=float, default=60.0, help="seconds, at most")
    arguments(parser)
    options = parser.parse_args()
    if options.attempts < 1:
        parser.error("--attempts must be at least 1")
    if not os.path.exists(os.path.join(options.outbox, ".nudged-outbox")):
        sys.exit(f"{options.outbox} is no outbox (no .nudged-outbox in it): mount its disk or correct --outbox")
    Sender(options, sender(options)).run()
