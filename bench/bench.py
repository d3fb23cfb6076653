#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measure nsxdp beside what people use today, in interleaved rounds of one run.

Usage: bench.py [--quick] [--readme] [--only WORD]...

Every competitor lives in a lab of its own (rival.sh); in each round each of them is measured once, so that a
drift of the machine meets all. Results go to build/bench/: results.json and report.html; --readme puts the
table of ratios into README.md. Only ratios within one run mean anything.
"""
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
OUT = os.path.join(TOP, "build", "bench")
sys.path.insert(0, HERE)
import report  # noqa: E402
from lab import Lab  # noqa: E402

QUICK = "--quick" in sys.argv
ONLY = [sys.argv[i + 1] for i, w in enumerate(sys.argv) if w == "--only"]
ROUNDS = 3 if QUICK else 5
SECONDS = 0.2 if QUICK else 0.6

ALL = ["iptables", "nftables", "routing", "bare-tc", "nsxdp-tc", "bare-xdp", "nsxdp-xdp"]
REAL = ["iptables", "nftables", "nsxdp-tc", "nsxdp-xdp"]

# name, title, direction, flows (0: a new one with every packet), frame size, in the quick run
LOOPS = [
    ("in-1", "Published port, 1 flow", "in", 1, 64, True),
    ("in-200", "Published port, 200 flows", "in", 200, 64, False),
    ("in-20k", "Published port, 20,000 flows", "in", 20000, 64, True),
    ("in-new", "Published port, every packet a new flow", "in", 0, 64, True),
    ("out-1", "Masquerade, 1 flow", "out", 1, 64, False),
    ("out-200", "Masquerade, 200 flows", "out", 200, 64, True),
    ("out-20k", "Masquerade, 20,000 flows", "out", 20000, 64, True),
    ("out-1m", "Masquerade, 1,000,000 flows alive", "out", 1000000, 64, False),
    ("out-new", "Masquerade, every packet a new flow", "out", 0, 64, True),
    ("in-512", "Published port, 200 flows, 512 bytes", "in", 200, 512, False),
    ("in-1500", "Published port, 200 flows, 1,500 bytes", "in", 200, 1500, False),
]
# The same over IPv6; bare redirects do not look at the family.
LOOPS6 = [
    ("in6-200", "IPv6, published port, 200 flows", "in6", 200, 64, False),
    ("in6-20k", "IPv6, published port, 20,000 flows", "in6", 20000, 64, True),
    ("in6-new", "IPv6, published port, every packet a new flow", "in6", 0, 64, False),
    ("out6-200", "IPv6, masquerade, 200 flows", "out6", 200, 64, False),
    ("out6-20k", "IPv6, masquerade, 20,000 flows", "out6", 20000, 64, True),
    ("out6-new", "IPv6, masquerade, every packet a new flow", "out6", 0, 64, False),
]
# name, title, rival.sh's number of ports and of namespaces
CROWDS = [
    ("ports-1000", "1,000 published ports present, new flows", 1000, 1),
    ("ports-10000", "10,000 published ports present, new flows", 10000, 1),
    ("namespaces-100", "100 namespaces present, new flows", 1, 100),
    ("namespaces-1000", "1,000 namespaces present, new flows", 1, 1000),
]


def interleaved(rivals, measure):
    """{rival: [value of each round]} where measure(lab) is called for each rival in turn."""
    values = {lab.name: [] for lab in rivals}
    for _ in range(ROUNDS):
        for lab in rivals:
            lab.forget()
            values[lab.name].append(measure(lab))
    return values


def row(key, title, unit, values, better="more"):
    """A scenario's result: medians with minimum and maximum."""
    result = {"key": key, "title": title, "unit": unit, "better": better, "rivals": {}}
    for name, v in values.items():
        if None not in v:
            result["rivals"][name] = {"median": statistics.median(v), "min": min(v), "max": max(v)}
    line = "  ".join("%s %.4g" % (n, r["median"]) for n, r in result["rivals"].items())
    print("%-24s %s" % (key, line), flush=True)
    return result


def wanted(key, quick=True):
    if ONLY:
        return any(w in key for w in ONLY)
    return quick or not QUICK


def measure_loops(labs):
    results = []
    for key, title, direction, flows, size, quick in LOOPS + LOOPS6:
        if not wanted(key, quick):
            continue
        rivals = [n for n in ALL if not (direction.endswith("6") and n.startswith("bare"))]
        both = interleaved([labs[n] for n in rivals], lambda lab: lab.loop(direction, flows, size, SECONDS))
        result = row(key, title, "packets/s", {n: [r for r, _ in v] for n, v in both.items()})
        for n, v in both.items():
            result["rivals"][n]["kept"] = min(a for _, a in v)
        results.append(result)
    return results


def measure_crowds(labs):
    results = []
    for key, title, ports, namespaces in CROWDS:
        if not wanted(key, False):
            continue
        crowd = [Lab(n, ports, namespaces) for n in ("iptables", "nftables", "nsxdp-tc", "nsxdp-xdp")]
        alone = [labs[lab.name] for lab in crowd]
        pairs = interleaved(crowd, lambda lab: lab.loop("in", 0, 64, SECONDS)[0])
        base = interleaved(alone, lambda lab: lab.loop("in", 0, 64, SECONDS)[0])
        result = row(key, title, "packets/s", pairs)
        for n, v in base.items():
            result["rivals"][n]["against_one"] = result["rivals"][n]["median"] / statistics.median(v)
        results.append(result)
        for lab in crowd:
            lab.close()
    return results


def busy():
    """Seconds that all CPUs spent in the kernel: system, irq, softirq."""
    with open("/proc/stat") as f:
        n = f.readline().split()
    return (int(n[3]) + int(n[6]) + int(n[7])) / os.sysconf("SC_CLK_TCK")


def bulk(lab, direction):
    """Gigabits per second, and CPU seconds in the kernel per gigabyte."""
    words = ["iperf3", "-J", "-t", "1"]
    if direction == "in":
        words += ["-c", "203.0.113.1", "-p", "6000"]
        machine = "client"
    else:
        words += ["-c", "198.51.100.8"]
        machine = "ns"
    before = busy()
    data = json.loads(lab.run(machine, *words))
    spent = busy() - before
    received = data["end"]["sum_received"]
    return received["bits_per_second"] / 1e9, spent / (received["bytes"] / 1e9)


def under_flood(lab, sock, seconds):
    """Connections per second beside a flood, how many SYNs that sent, and how many entries it left in a table."""
    flood = subprocess.Popen(["nsenter", "--net=/run/netns/" + lab.client, "/usr/bin/python3",
                              os.path.join(TOP, "tests", "net.py"), "syn_flood", "203.0.113.1", "6000",
                              str(float(seconds) + 0.6)], stdout=subprocess.PIPE, text=True)
    subprocess.run(["sleep", "0.3"])
    rate = float(lab.run("client", sock, "crr", "203.0.113.1", "6000", seconds).split()[0])
    sent = int(flood.communicate()[0].split()[1])
    if lab.name.startswith("nsxdp"):
        left = json.loads(lab.run("host", os.path.join(TOP, "build", "nsxdp"), "status", "-j"))["flows"]
    else:
        left = int(lab.run("host", "conntrack", "-C"))
    return rate, sent, left


def measure_sockets(labs):
    results, sock = [], os.path.join(TOP, "build", "sock")
    rivals = [labs[n] for n in REAL]
    seconds = "0.3" if QUICK else "1"
    servers = []
    for lab in rivals:
        servers += [lab.start("ns", sock, "serve", "8080"), lab.start("inet", sock, "serve", "7")]
    subprocess.run(["sleep", "0.5"])
    for proto in ("tcp", "udp"):
        for key, title, machine, host, port in (
                ("in", "to a published port", "client", "203.0.113.1", "6000"),
                ("out", "masqueraded", "ns", "198.51.100.8", "7")):
            if wanted("rr-%s-%s" % (proto, key)):
                v = interleaved(rivals, lambda lab: list(map(float, lab.run(machine, sock, "rr", proto, host, port,
                                                                            seconds).split())))
                for i, (part, unit, better) in enumerate((("", "requests/s", "more"), (", median", "us", "less"),
                                                          (", 99th percentile", "us", "less"))):
                    results.append(row("rr-%s-%s%s" % (proto, key, ("", "-p50", "-p99")[i]),
                                       "%s request/response %s%s" % (proto.upper(), title, part), unit,
                                       {n: [x[i] for x in r] for n, r in v.items()}, better))
    if wanted("crr-in"):
        v = interleaved(rivals, lambda lab: list(map(float, lab.run("client", sock, "crr", "203.0.113.1", "6000",
                                                                    seconds).split())))
        results.append(row("crr-in", "Connect, request, close to a published port", "connections/s",
                           {n: [x[0] for x in r] for n, r in v.items()}))
    if wanted("flood"):
        v = interleaved(rivals, lambda lab: under_flood(lab, sock, seconds))
        results.append(row("flood", "The same while SYNs from random sources flood that port", "connections/s",
                           {n: [x[0] for x in r] for n, r in v.items()}))
        for n, r in v.items():
            results[-1]["rivals"][n]["left"] = max(x[2] for x in r)
            print("%-24s %s: SYNs sent %s; entries left behind %s" % ("", n, " ".join("%d" % x[1] for x in r),
                                                                     " ".join("%d" % x[2] for x in r)))
    for s in servers:
        s.terminate()
        s.wait()
    servers = [lab.start("ns", "iperf3", "-s", "-p", "8080") for lab in rivals]
    servers += [lab.start("inet", "iperf3", "-s") for lab in rivals]
    subprocess.run(["sleep", "0.5"])
    for direction, title in (("in", "to a published port"), ("out", "masqueraded")):
        if wanted("bulk-" + direction):
            v = interleaved(rivals, lambda lab: bulk(lab, direction))
            results.append(row("bulk-" + direction, "Bulk TCP " + title, "Gbit/s",
                               {n: [x[0] for x in r] for n, r in v.items()}))
            results.append(row("bulk-%s-cpu" % direction, "Bulk TCP %s, kernel CPU" % title, "s/GB",
                               {n: [x[1] for x in r] for n, r in v.items()}, "less"))
    for s in servers:
        s.terminate()
        s.wait()
    return results


def wrk(lab):
    words = ["wrk", "-t1", "-c2000", "-d2s", "http://203.0.113.1:6000/"]
    for line in lab.run("client", "bash", "-c", "ulimit -n 8192; exec " + " ".join(words)).splitlines():
        if line.startswith("Requests/sec:"):
            return float(line.split()[1])
    return None


def measure_http(labs):
    if not wanted("http", False):
        return []
    conf = os.path.join(OUT, "nginx.conf")
    servers = []
    for i, n in enumerate(REAL):
        with open(conf + str(i), "w") as f:
            f.write("""daemon off; pid %s/nginx%d.pid; error_log /dev/null; worker_processes 1;
worker_rlimit_nofile 8192; events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; server { listen 8080 backlog=4096; location / { return 200 'hello'; } } }
""" % (OUT, i))
        servers.append(labs[n].start("ns", "nginx", "-c", conf + str(i)))
    subprocess.run(["sleep", "1"])
    v = interleaved([labs[n] for n in REAL], wrk)
    for s in servers:
        s.terminate()
        s.wait()
    return [row("http", "HTTP over 2,000 keep-alive connections", "requests/s", v)]


CAPACITY = [
    ("short", "48,000 short connections of six namespaces to one server"),
    ("hold", "60,000 UDP sockets at once to four ports, answered"),
    ("told", "The same, sent to later, unasked"),
    ("fleet", "200,000 connections of 1,000 namespaces to eight ports"),
]


def measure_capacity():
    """How many of a crowd of flows came to something: the share of those that were wanted, once for each competitor."""
    values = {}
    if not wanted("capacity", False):
        return []
    for name in ("iptables", "nsxdp-tc", "nsxdp-xdp"):
        for words in ([], ["fleet"]):
            r = subprocess.run([os.path.join(HERE, "capacity.sh"), name, *words], capture_output=True, text=True,
                               env=dict(os.environ, LAB_ID="bc%d" % (os.getpid() % 10000)))
            if r.returncode:
                raise SystemExit("bench: capacity of %s: %s" % (name, r.stderr.strip()))
            for line in r.stdout.splitlines():
                key, good, all_, seconds = line.split()
                values.setdefault(key, {})[name] = [int(good)]
                print("%-24s %s: %s of %s in %s s" % ("capacity-" + key, name, good, all_, seconds), flush=True)
    return [row("capacity-" + key, title, "flows", values[key]) for key, title in CAPACITY]


def measure_programs(labs):
    """Nanoseconds per packet of each program alone: [program, what, ns]."""
    results = []
    if wanted("programs"):
        for n in ("nsxdp-tc", "nsxdp-xdp"):
            lab = labs[n]
            status = json.loads(lab.run("host", os.path.join(TOP, "build", "nsxdp"), "status", "-j"))
            for line in lab.run("host", os.path.join(TOP, "build", "bench_prog"), status["pins"],
                                lab.veth, lab.inside6).splitlines():
                if line.startswith("xdp") == n.endswith("xdp"):
                    results.append([line[:16].strip(), line[17:41].strip(), int(line[41:])])
        for r in results:
            print("%-16s %-20s %d ns" % tuple(r))
    return results


def conntrack_size():
    """Bytes of a connection in the kernel's table; two of its entries hang in a hash besides."""
    try:
        with open("/proc/slabinfo") as f:
            for line in f:
                if line.startswith("nf_conntrack "):
                    return int(line.split()[3])
    except OSError:
        pass
    return None


def namespace_memory():
    """Kernel bytes of a namespace with its link: made by nsxdp, and by hand."""
    if not wanted("memory", False):
        return None, None
    r = subprocess.run([os.path.join(HERE, "memory.sh"), "100"], capture_output=True, text=True,
                       env=dict(os.environ, LAB_ID="bm%d" % (os.getpid() % 10000)))
    if r.returncode:
        raise SystemExit("bench: memory: " + r.stderr.strip())
    return tuple(int(x) for x in r.stdout.split())


def memory():
    ours, by_hand = namespace_memory()
    return {"namespace": ours, "namespace_by_hand": by_hand, "conntrack_connection": conntrack_size(), "published_connection": 0, "masqueraded_flow": 98,
            "published_port": 64 + 32, "tables": (64 * 3 * 65536) + (256 * 32768)}


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")

    def version(*words):
        try:
            return subprocess.run(words, capture_output=True, text=True).stdout.splitlines()[0]
        except (OSError, IndexError):
            return "?"
    return {"date": datetime.date.today().isoformat(), "kernel": platform.release(), "cpu": cpu,
            "cpus": os.cpu_count(), "nsxdp": version(os.path.join(TOP, "build", "nsxdp"), "--version"),
            "iptables": version("iptables", "--version"), "nftables": version("nft", "--version"),
            "rounds": ROUNDS, "seconds": SECONDS, "quick": QUICK}


def main():
    os.makedirs(OUT, exist_ok=True)
    labs = {}
    try:
        for n in ALL:
            labs[n] = Lab(n)
        programs = measure_programs(labs)
        results = measure_loops(labs) + measure_sockets(labs) + measure_crowds(labs) + measure_http(labs) + measure_capacity()
    finally:
        for lab in labs.values():
            lab.close()
    data = {"machine": machine(), "memory": memory(), "programs": programs, "results": results}
    with open(os.path.join(OUT, "results.json"), "w") as f:
        json.dump(data, f, indent=1)
    with open(os.path.join(OUT, "report.html"), "w") as f:
        f.write(report.html(data))
    print("\n" + report.table(data))
    print("report: build/bench/report.html, build/bench/results.json")
    if "--readme" in sys.argv:
        report.update_readme(os.path.join(TOP, "README.md"), data)


main()
