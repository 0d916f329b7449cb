"""The chart: bars for what goes how fast, and how cost grows. One SVG file by hand; it follows the reader's light or dark."""
import math
from html import escape

from report import CURVES, MS, short

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .bar, .a { fill: #0969da } .line-a { stroke: #0969da } .b { fill: #bc4c00 } .line-b { stroke: #bc4c00 } .other { fill: #8c959f }
  .line { fill: none; stroke-width: 2 }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d } .paper { fill: #0d1117 }
    .bar, .a { fill: #4493f8 } .line-a { stroke: #4493f8 } .b { fill: #f0883e } .line-b { stroke: #f0883e } .other { fill: #6e7681 }
  }
"""
WIDTH = 840


def text(x, y, content, css="", anchor="start"):
    name = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{name} text-anchor="{anchor}">{escape(content)}</text>'


def bars(main, top):
    """Events a second, each with its ratio to the bare pass and to the plain script."""
    rows = [
        ("bare simdjson pass", main["pass"], "other", ""),
        ("replay", main["replay"], "bar", f"{main['replay/pass']:.2f} of the pass, {main['replay/python']:.1f}× the script"),
        ("durable catch-up", main["durable"], "bar", f"{main['durable/pass']:.2f} of the pass, {main['durable/python']:.1f}× the script"),
        (f"plain Python script ({main['parser']})", main["python"], "other", "")]
    out = [text(16, top + 18, f"Events a second: {main['lines']:,} events, {main['customers']:,} customers", "title")]
    left, room = 220, 330
    scale = room / max(row[1] for row in rows)
    for place, (name, value, css, note) in enumerate(rows):
        y = top + 34 + place * 30
        length = max(2, value * scale)
        out.append(text(left - 10, y + 15, name, anchor="end"))
        out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" rx="2" class="{css}"/>')
        out.append(text(left + length + 8, y + 15, short(value) + (f"  ({note})" if note else ""), "small"))
    return out, top + 34 + len(rows) * 30 + 12


def axis(value):
    """A round number as short as can be."""
    number, _, unit = short(value).partition(" ")
    return f"{float(number):g}{unit and ' ' + unit}"


def curve(points, series, title, unit, left, top, width, height, x):
    """One small chart: a logarithmic axis of what grows; values from zero."""
    out = [text(left, top + 14, title, "title")]
    x0, y0, w, h = left + 46, top + 48, width - 76, height - 92
    largest = max(max(point[key] for key, _ in series) for point in points) or 1
    step = 10 ** math.floor(math.log10(largest))
    limit = next(step * factor for factor in (1, 2, 5, 10) if step * factor >= largest * 0.999)
    low = math.log10(min(point[x] for point in points))
    span = math.log10(max(point[x] for point in points)) - low or 1
    for part in range(5):
        y = y0 + h - h * part / 4
        out.append(f'<line x1="{x0}" x2="{x0 + w}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        out.append(text(x0 - 6, y + 4, axis(limit * part / 4), "small", "end"))
    for point in points:
        out.append(text(x0 + w * (math.log10(point[x]) - low) / span, y0 + h + 16, axis(point[x]), "small", "middle"))
    for place, (key, label) in enumerate(series):
        css = "ab"[place]
        at = [(x0 + w * (math.log10(point[x]) - low) / span, y0 + h - h * point[key] / limit) for point in points]
        out.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in at)}" class="line line-{css}"/>')
        out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" class="{css}"/>' for a, b in at]
        out.append(f'<rect x="{left + 46 + place * 150}" y="{top + 24}" width="10" height="10" class="{css}"/>')
        out.append(text(left + 62 + place * 150, top + 33, label, "small"))
    out.append(text(x0 + w / 2, y0 + h + 34, unit, "small", "middle"))
    return out


def svg(result):
    out, top = [], 8
    if main := result.get("throughput"):
        found, top = bars(main, top)
        out += found
    charts = []
    growth = result.get("growth") or {}
    for name, unit, series in CURVES:
        points = [dict(point, x=max(1, point["x"])) for point in growth.get(name, [])]
        if len(points) > 1:
            charts.append((points, series, f"Events a second with more {name}", unit, "x"))
    points = growth.get("states", [])
    if len(points) > 1:
        charts.append((points, (("durable", "durable"),), "Events a second onto larger states", "customers", "customers"))
        charts.append((
            [dict(point, ms=point["ready"] * MS) for point in points], (("ms", "start-up, milliseconds"),), "Start-up with more timers",
            "pending timers, one a customer", "timers"))
    height = 240
    for place, (points, series, title, unit, x) in enumerate(charts):
        left, y = 16 + place % 2 * (WIDTH // 2), top + 10 + place // 2 * (height + 12)
        out += curve(points, series, title, unit, left, y, WIDTH // 2 - 24, height, x)
    top += 10 + (len(charts) + 1) // 2 * (height + 12)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="Throughput and growth of nudged">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{top}" class="paper"/>\n' + "\n".join(out) + "\n</svg>\n")
