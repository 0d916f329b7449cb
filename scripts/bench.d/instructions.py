"""The guard that does not depend on the machine's mood: instructions per event of a fixed log, counted by callgrind."""
import json
import re
import subprocess

from workload import HERE, ROOT, Failure, say

STORED = HERE / "instructions.json"
LINES, CUSTOMERS = 20_000, 2_500
ALLOWED = 1.05
# What is counted, by the mangled names of its entry points. An entry point that another one of the list has called counts there only.
PARTS = {
    "reading and decoding": (r"^\$s6Ingest9LogReaderV4read.*tF$", r"^\$s6Ingest8RawLinesV7decoded.*_tF$"),
    "engine": (r"^\$s6EngineAAV7advance.*tF$",),
}


def parse(path):
    """The inclusive cost of each function and whom it calls, from callgrind's file."""
    names, own, calls = {}, {}, {}
    current = callee = None
    pending = False

    def name(text):
        match = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if match.group(2) is not None:
            names[match.group(1)] = match.group(2)
        return names[match.group(1)]

    with open(path, errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("fn="):
                current = name(line[3:])
            elif line.startswith("cfn="):
                callee = name(line[4:])
            elif line.startswith("calls="):
                pending = True
            elif line[:1] in "+-*0123456789" and line and current is not None:
                fields = line.split()
                if len(fields) < 2:
                    continue
                cost = int(fields[1])
                if pending:
                    edges = calls.setdefault(current, {})
                    edges[callee] = edges.get(callee, 0) + cost
                    pending = False
                else:
                    own[current] = own.get(current, 0) + cost
    return own, calls


def inclusive(function, own, calls):
    return own.get(function, 0) + sum(cost for callee, cost in calls.get(function, {}).items() if callee != function)


def reaches(function, calls):
    seen, open_ones = set(), [function]
    while open_ones:
        for callee in calls.get(open_ones.pop(), {}):
            if callee not in seen:
                seen.add(callee)
                open_ones.append(callee)
    return seen


def outermost(patterns, own, calls):
    """The inclusive cost of the functions that match, without those that another of them has called."""
    found = {name for name in [*own, *calls] if any(re.match(pattern, name) for pattern in patterns)}
    within = {name: reaches(name, calls) for name in found}
    return sum(
        inclusive(name, own, calls) for name in found if not any(name in within[other] for other in found if other != name))


def count(work):
    subprocess.run([ROOT / "scripts" / "need", "valgrind", "valgrind"], check=True)
    subprocess.run([ROOT / "scripts" / "need", "objcopy", "binutils"], check=True)
    stripped = work.directory / "nudged-stripped"
    # Swift's DWARF 5 is more than valgrind's reader takes; the symbols stay.
    subprocess.run(["objcopy", "--strip-debug", work.binary, stripped], check=True)
    configuration, _, _ = work.configuration(work.log(LINES, CUSTOMERS))
    profile = work.fresh("callgrind")
    say("counting instructions …")
    # One and the same instruction set, whatever this machine has. Threads are counted apart: a line is decoded ahead by another thread, or
    # within the read if that thread has not come to it, and must count once.
    work.run(
        ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={profile}", stripped, "replay", "--config",
         configuration, "--progress", "none"], environment={"SIMDJSON_FORCE_IMPLEMENTATION": "haswell"})
    threads = [parse(path) for path in sorted(profile.parent.glob(profile.name + "-*"))]
    # Each instruction is somebody's own.
    result = {"program": sum(sum(own.values()) for own, _ in threads) / LINES}
    for part, patterns in PARTS.items():
        for pattern in patterns:
            if not any(re.match(pattern, name) for own, calls in threads for name in [*own, *calls]):
                raise Failure(f"no function matches {pattern}: {part} can't be counted; has it been renamed or inlined?")
        result[part] = sum(outermost(patterns, own, calls) for own, calls in threads) / LINES
    return {name: round(value, 1) for name, value in result.items()}


def guard(work, accept):
    """Compares with what is stored; true if nothing has become dearer than allowed."""
    found = count(work)
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    good = True
    print(f"instructions per event, {LINES:,} lines, {CUSTOMERS:,} customers")
    for name, value in found.items():
        known = stored.get(name)
        verdict = ""
        if known:
            verdict = f"  stored {known:>10,.0f}  {100 * (value / known - 1):+6.1f} %"
            # The whole program includes start-up and libraries of the machine: shown, not judged.
            if name in PARTS and value > known * ALLOWED:
                good = False
                verdict += "  TOO MANY"
        print(f"  {name:<24}{value:>10,.0f}{verdict}")
    if accept:
        STORED.write_text(json.dumps(found, indent=2) + "\n")
        print(f"stored in {STORED.relative_to(ROOT)}")
        return True
    if not stored:
        print("nothing is stored to compare with: run again with --accept")
        return False
    return good
