# SPDX-License-Identifier: GPL-2.0-only
"""The report of a benchmark run: a self-contained page, and a table of ratios."""
import html as markup
import textwrap

COLORS = {"iptables": "#b55", "nftables": "#c83", "routing": "#999", "bare-tc": "#ccc", "bare-xdp": "#ccc",
          "nsxdp-tc": "#38a", "nsxdp-xdp": "#063"}
BARE = ("routing", "bare-tc", "bare-xdp")	# no NAT: what moving a packet costs at least

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 0 auto; padding: 1em; color: #222; }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 2em 0 .3em }
table { border-collapse: collapse; width: 100%; font-size: .9em } th, td { text-align: right; padding: .2em .5em; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } .wide { overflow-x: auto } .lost { color: #b00; font-weight: 600 }
svg { width: 100%; height: auto } dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1em } dd { margin: 0 }
"""


def number(x):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if x >= limit:
            return "%.2f %s" % (x / limit, unit)
    return "%.3g" % x


def ratio(result, name, base="iptables"):
    """How many times better than base; None where one of them has no value."""
    r = result["rivals"]
    if name not in r or base not in r or not r[base]["median"] or not r[name]["median"]:
        return None
    x = r[name]["median"] / r[base]["median"]
    return 1 / x if result["better"] == "less" else x


def times(x):
    return "-" if x is None else "%.2f" % x


def bars(result):
    """Horizontal bars of the medians with whiskers from minimum to maximum."""
    rivals = result["rivals"]
    top = max(r["max"] for r in rivals.values()) or 1
    height = 26 * len(rivals) + 4
    out = ['<svg viewBox="0 0 720 %d" role="img" aria-label="%s">' % (height, markup.escape(result["title"]))]
    for i, (name, r) in enumerate(rivals.items()):
        y, w = 26 * i + 2, 440 * r["median"] / top
        x = ratio(result, name)
        out.append('<text x="88" y="%d" text-anchor="end" font-size="13">%s</text>' % (y + 16, name))
        out.append('<rect x="94" y="%d" width="%.1f" height="20" fill="%s"/>' % (y, w, COLORS.get(name, "#777")))
        out.append('<path d="M%.1f %dH%.1f" stroke="#000" stroke-width="1.5"/>' %
                   (94 + 440 * r["min"] / top, y + 10, 94 + 440 * r["max"] / top))
        out.append('<text x="%.1f" y="%d" font-size="13">%s%s</text>' %
                   (100 + 440 * r["max"] / top, y + 16, number(r["median"]), "" if x is None else " (%.2f x)" % x))
    return "".join(out) + "</svg>"


def losses(data):
    """Where nsxdp is not better than iptables or nftables, in words."""
    out = []
    for result in data["results"]:
        for ours in ("nsxdp-tc", "nsxdp-xdp"):
            for theirs in ("iptables", "nftables"):
                x = ratio(result, ours, theirs)
                if x is not None and x < 1:
                    out.append("%s: %s reaches %.2f of %s" % (result["title"], ours, x, theirs))
    return out


def rows(data):
    for result in data["results"]:
        floor_tc, floor_xdp = ratio(result, "nsxdp-tc", "bare-tc"), ratio(result, "nsxdp-xdp", "bare-xdp")
        yield result, [times(ratio(result, "nftables")), times(ratio(result, "routing")),
                       times(ratio(result, "nsxdp-tc")), times(ratio(result, "nsxdp-xdp")),
                       times(ratio(result, "nsxdp-tc", "routing")), times(floor_tc), times(floor_xdp)]


HEAD = ["nftables", "routing, no NAT", "nsxdp tc", "nsxdp xdp", "tc / routing", "tc / bare tc", "xdp / bare xdp"]


def table(data):
    """Markdown."""
    m = data["machine"]
    head = ("Times iptables, unless another pair is named; more is better (for times and CPU too). Medians of %d interleaved"
            " rounds in one run on %d CPUs (%s), kernel %s, %s. `make bench` makes this table."
            % (m["rounds"], m["cpus"], m["cpu"], m["kernel"], m["date"]))
    out = [textwrap.fill(head, 100, break_on_hyphens=False), "",
           "| | " + " | ".join(HEAD) + " |", "| --- |" + " ---: |" * len(HEAD)]
    out += ["| %s | %s |" % (r["title"], " | ".join(cells)) for r, cells in rows(data)]
    return "\n".join(out)


def html(data):
    m, memory = data["machine"], data["memory"]
    out = ["<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
           "<title>nsxdp: benchmark</title><style>%s</style><h1>nsxdp beside what people use today</h1>" % STYLE,
           "<p>A published port and masquerading, measured in labs of network namespaces on one machine. Packets per second are",
           "of a closed loop: programs at both ends send every packet back, so that a fixed number circulates through the host's",
           "NAT and is translated twice per round. Every competitor has a lab of its own, and in each round each is measured once.",
           "Bars are medians, the line goes from the smallest to the largest round; in brackets, times iptables. <b>bare</b> is a",
           "redirect without any look-up, the floor of what these links allow; <b>routing</b> forwards without NAT.</p>"]
    lost = losses(data)
    out.append("<h2>Where nsxdp loses</h2>" + ("<ul class=lost>" + "".join("<li>%s</li>" % markup.escape(x) for x in lost)
                                               + "</ul>" if lost else "<p>In none of these.</p>"))
    out.append("<h2>Ratios</h2><div class=wide><table><tr><th></th>" + "".join("<th>%s</th>" % h for h in HEAD) + "</tr>")
    for r, cells in rows(data):
        out.append("<tr><td>%s</td>%s</tr>" % (markup.escape(r["title"]), "".join("<td>%s</td>" % c for c in cells)))
    out.append("</table></div>")
    for r in data["results"]:
        out.append("<h2>%s, %s%s</h2>" % (markup.escape(r["title"]), r["unit"],
                                         " (less is better)" if r["better"] == "less" else ""))
        out.append(bars(r))
        kept = ["%s kept %.0f %% of its packets" % (n, 100 * v["kept"]) for n, v in r["rivals"].items()
                if v.get("kept", 1) < 0.95]
        crowd = ["%s %.2f" % (n, v["against_one"]) for n, v in r["rivals"].items() if "against_one" in v]
        left = ["%s %d" % (n, v["left"]) for n, v in r["rivals"].items() if "left" in v]
        if left:
            out.append("<p>Entries left in a table of connections, at most: %s.</p>" % ", ".join(left))
        if kept:
            out.append("<p class=lost>Lost packets: %s.</p>" % "; ".join(kept))
        if crowd:
            out.append("<p>Against one alone: %s.</p>" % ", ".join(crowd))
    if data["programs"]:
        out.append("<h2>One program alone, ns per packet</h2><p>Through BPF_PROG_TEST_RUN, a fresh packet each time; the kernel's"
                   " own overhead of timing one run is in each figure.</p><table>")
        out += ["<tr><td>%s</td><td>%s</td><td>%d</td></tr>" % tuple(p) for p in data["programs"]]
        out.append("</table>")
    out.append("<h2>Memory, bytes in the kernel</h2><dl>")
    for key, text in (("namespace", "namespace with its link, made by nsxdp"),
                      ("namespace_by_hand", "the same, made by hand"), ("published_connection", "published connection, nsxdp"), ("masqueraded_flow", "masqueraded flow, nsxdp"),
                      ("conntrack_connection", "either, conntrack"), ("published_port", "published port, nsxdp"),
                      ("tables", "nsxdp's tables, allocated at once")):
        out.append("<dt>%s</dt><dd>%s</dd>" % (text, memory[key] if memory[key] is not None else "not measured"))
    out.append("</dl><h2>Machine</h2><dl>")
    out += ["<dt>%s</dt><dd>%s</dd>" % (k, markup.escape(str(v))) for k, v in m.items()]
    return "\n".join(out) + "</dl></html>\n"


def update_readme(path, data):
    begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
    with open(path) as f:
        text = f.read()
    head, rest = text.split(begin)
    with open(path, "w") as f:
        f.write(head + begin + "\n" + table(data) + "\n" + end + rest.split(end)[1])
