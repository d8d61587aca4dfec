"""The results as a bar chart, for light and dark mode."""

from html import escape

from tools.bench.machine import description
from tools.bench.results import Results, Scenario
from tools.bench.servers import PARTY_CHAT, RAW, Server

LABELS = 190
PANEL = 196
BAR = 130
ROW = 26
TOP = 92
BOTTOM = 58

CHECKED = "make bench: {}; nothing was lost, and nothing came out of order"
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #28182f; stroke: #fcf6ee;
    stroke-width: 4px; paint-order: stroke }
  .title { font-size: 16px; font-weight: 600 }
  .soft { fill: #66556d }
  .paper { fill: #fcf6ee }
  .bar { fill: #8f7d96 }
  .ours { fill: #c01d45 }
  .limit { stroke: #66556d; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f6effa; stroke: #1a1320 }
    .soft { fill: #bcabc6 }
    .paper { fill: #1a1320 }
    .bar { fill: #8b7896 }
    .ours { fill: #ff8ca3 }
    .limit { stroke: #bcabc6 }
  }
"""


def render_chart(results: Results) -> str:
    """Return the chart as SVG."""
    servers = results.ranking()
    width = LABELS + PANEL * len(results.scenarios) + 12
    height = TOP + ROW * len(servers) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>What a delivery costs</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="8"/>',
        text(16, 30, "CPU time of the server for each delivery", "title"),
        text(
            16, 50, "as a multiple of a write to a raw socket; less is better"
        ),
        *(
            text(LABELS - 10, line(number), server.name, kind(server), "end")
            for number, server in enumerate(servers)
        ),
        *(
            bars(results, servers, scenario, LABELS + PANEL * number)
            for number, scenario in enumerate(results.scenarios)
        ),
        text(16, height - 32, description(), "soft"),
        text(16, height - 13, CHECKED.format(results.count()), "soft"),
        "</svg>\n",
    ]
    return "\n".join(parts)


def bars(
    results: Results, servers: list[Server], scenario: Scenario, left: int
) -> str:
    """Return the bars of one scenario."""
    unit = BAR / results.max_ratio()
    one = left + unit
    end = TOP + ROW * len(servers)
    parts = [
        text(left, TOP - 14, scenario.name, "soft"),
        f'<path class="limit" d="M{one:.1f} {TOP}V{end}"/>',
    ]
    for number, server in enumerate(servers):
        ratio = results.ratio(server, scenario)
        length = max(ratio * unit, 1)
        x = max(left + length, one) + 6
        y = TOP + ROW * number + 4
        parts += [
            f'<rect class="{kind(server) or "bar"}" x="{left}" y="{y}" '
            f'width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
            text(x, line(number), figure(server, ratio)),
        ]
    return "\n".join(parts)


def line(number: int) -> int:
    """Return the baseline of a row's text."""
    return TOP + ROW * number + 18


def kind(server: Server) -> str:
    """Return the CSS class that highlights Party Chat."""
    return "ours" if server == PARTY_CHAT else ""


def figure(server: Server, ratio: float) -> str:
    """Return a ratio with two significant digits."""
    if server == RAW:
        return "1"
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}"


def text(
    x: float, y: float, words: str, kind: str = "", anchor: str = "start"
) -> str:
    """Return a line of text."""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
