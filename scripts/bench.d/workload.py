"""What every measurement needs: the binary, logs, configurations, and runs whose time and memory are known."""
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
# The large state whose speed has a target of its own.
LARGE = 2_500_000
RULES = ("abandoned-cart", "back-in-stock", "churn-risk", "segments")


class Failure(Exception):
    """Something that the person at the terminal has to know; ends the bench."""


@dataclass
class Run:
    """How a process went: seconds of wall clock and of all its threads, its largest resident size and what it wrote to disk, in bytes."""

    seconds: float
    cpu: float
    resident: int
    written: int
    output: Path
    errors: str


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def release_binary():
    """Builds the program as the package has it (scripts/package) if it is not up to date, and says where it is. Swift's own libraries are linked
    in: calls into a shared one take a sixth of a replay's time."""
    subprocess.run(["scripts/setup"], cwd=ROOT, check=True)
    build = [
        "swift", "build", "-c", "release", "--static-swift-stdlib", "--scratch-path", ".build/package", "--product", "nudged"]
    say("building the release product …")
    done = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Failure("the release product does not build:\n" + done.stdout[-4000:])
    shown = subprocess.run([*build, "--show-bin-path"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Path(shown.stdout.strip()) / "nudged"


class Spawner:
    """A small process that starts the others: what the kernel calls a process's largest size includes its parent's at the time of exec."""

    def __init__(self):
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=self.serve, args=(theirs,), daemon=True)
        self.process.start()

    @staticmethod
    def serve(pipe):
        while (order := pipe.recv()) is not None:
            command, environment, directory, output, errors = order
            with open(output, "wb") as out, open(errors, "wb") as err:
                begin = time.perf_counter()
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=directory, env={**os.environ, **environment})
                _, status, used = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            pipe.send((
                process.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, used.ru_oublock * 512))

    def run(self, *order):
        self.pipe.send(order)
        return self.pipe.recv()

    def end(self):
        self.pipe.send(None)
        self.process.join()


class Workload:
    """A scratch directory with logs and configurations, and the binary that they are for."""

    def __init__(self, binary, scratch=None):
        self.kept = scratch is not None
        self.directory = Path(scratch or tempfile.mkdtemp(prefix="nudged-bench-")).resolve()
        (self.directory / "logs").mkdir(parents=True, exist_ok=True)
        # A copy: a build that ends meanwhile must not change what is measured.
        self.binary = self.directory / "nudged"
        shutil.copy(binary, self.binary)
        self.made = 0
        self.spawn = Spawner()

    def close(self):
        self.spawn.end()
        if not self.kept:
            shutil.rmtree(self.directory, ignore_errors=True)

    def fresh(self, name):
        """A path in the scratch directory that nothing has used."""
        self.made += 1
        path = self.directory / f"{name}-{self.made}"
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        return path

    def log(self, lines, customers, start=None):
        """The benchmark's log with so many lines and customers, made once; from another first day if `start` is given."""
        path = self.directory / "logs" / f"{lines}-{customers}{'-' + start[:10] if start else ''}.ndjson"
        if not path.exists():
            say(f"  writing a log of {lines:,} lines, {customers:,} customers …")
            part = path.with_suffix(".part")
            part.unlink(missing_ok=True)
            from_day = ["--start", start] if start else []
            self.run([self.binary, "simulate", "--benchmark", "--lines", lines, "--customers", customers, "--output", part, *from_day])
            part.rename(path)
        # Into the page cache, so that every run finds it there.
        with open(path, "rb", buffering=0) as log:
            while log.read(1 << 24):
                pass
        return path

    def rule(self, name):
        """A shipped rule without its words and the fields of its message that only they use: what is measured is deciding, and the plain script has
        no template engine."""
        path = self.directory / f"{name}.yaml"
        lines = []
        skipped = None
        for line in (ROOT / "share" / "rules" / f"{name}.yaml").read_text().splitlines():
            depth = len(line) - len(line.lstrip())
            if skipped is not None and line.strip() and depth > skipped:
                continue
            skipped = None
            if line.strip().startswith(("template:", "needs_new_card:", "next_attempt_on:")):
                skipped = depth
                continue
            lines.append(line)
        path.write_text("\n".join(lines) + "\n")
        return path

    def configuration(self, log, *, lateness="2s", clock="log", rules="", segments="", shipped=True, outbox=None):
        """Writes a configuration with a state and an outbox of its own; gives its path, the state directory and the outbox."""
        home = self.fresh("home")
        home.mkdir()
        outbox = outbox or home / "outbox"
        text = [
            "instance: bench", "state: state", f"outbox: {outbox}", f"clock: {clock}", f"lateness: {lateness}", "sources:",
            f'  - {{ name: shop, path: "{log}", format: segment }}']
        if shipped:
            text.append("include: [ " + ", ".join(f'"{self.rule(name)}"' for name in RULES) + " ]")
        if segments:
            text.append("segments:\n" + segments)
        if rules:
            text.append("rules:\n" + rules)
        (home / "nudged.yaml").write_text("\n".join(text) + "\n")
        return home / "nudged.yaml", home / "state", outbox

    def run(self, command, *, environment=None):
        """Runs a command to its end with its output in a file."""
        output = self.fresh("output")
        errors = self.fresh("errors")
        status, seconds, cpu, resident, written = self.spawn.run(
            [str(word) for word in command], {"SWIFT_BACKTRACE": "enable=no", **(environment or {})}, self.directory, output, errors)
        said = errors.read_text(errors="replace")
        errors.unlink()
        if status:
            raise Failure(f"{' '.join(map(str, command))}\nended with {status}: {said[-2000:]}")
        return Run(seconds, cpu, resident, written, output, said)

    def replay(self, configuration, **more):
        return self.run([self.binary, "replay", "--config", configuration, "--progress", "none"], **more)

    def drain(self, configuration, **more):
        return self.run([self.binary, "run", "--config", configuration, "--once", "--drain"], **more)


def processor():
    """The machine as far as it matters for the figures."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def open_files():
    """As many open files as may be: a daemon with many files needs them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
