# SPDX-License-Identifier: GPL-2.0-only
"""The lab of one competitor, made by rival.sh, and what is run in it."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)


class Lab:
    count = 0

    def __init__(self, name, ports=1, namespaces=1, nsxdp=None):
        Lab.count += 1
        env = dict(os.environ, LAB_ID="b%d.%d" % (os.getpid() % 10000, Lab.count))
        self.nsxdp = nsxdp or os.path.join(TOP, "build", "nsxdp")
        env["NSXDP"] = self.nsxdp
        self.process = subprocess.Popen(["bash", os.path.join(HERE, "rival.sh"), name, str(ports), str(namespaces)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench: the lab of %s could not be made" % name)
        self.__dict__.update(json.loads(line))

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def run(self, machine, *words, check=True):
        r = subprocess.run(["nsenter", "--net=/run/netns/" + getattr(self, machine), *words], text=True,
                           capture_output=True)
        if check and r.returncode:
            raise SystemExit("bench: %s: %s: %s" % (self.name, " ".join(words), r.stderr.strip()))
        return r.stdout

    def start(self, machine, *words):
        return subprocess.Popen(["nsenter", "--net=/run/netns/" + getattr(self, machine), *words],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def forget(self):
        """Begin with an empty connection table: one that earlier runs filled refuses everything."""
        if self.name in ("iptables", "nftables"):
            self.run("host", "conntrack", "-F", check=False)
        elif self.name.startswith("nsxdp"):
            self.run("host", self.nsxdp, "flow", "flush")

    def loop(self, direction, flows, size, seconds):
        """Packets per second that circulate, and the share of them that was not lost."""
        words = [os.path.join(TOP, "build", "loop"), "--client", self.client, "eth0", "--ns", self.ns, "eth0",
                 "--hook", "xdp" if self.name.endswith("-xdp") else "tc", "--flows", str(flows),
                 "--size", str(size if size < 1500 else 1514), "--seconds", str(seconds), "--warm", str(max(0.1, flows / 150000))]
        if direction == "out6":
            words += ["--out", "--mac", self.gateway_mac, "--from", "[%s]:10000" % self.inside6, "--to", "[2001:db8:8::8]:9"]
        elif direction == "in6":
            words += ["--mac", self.uplink_mac, "--from", "[2001:db8:9::10]:10000", "--to", self.target6]
        elif direction == "out":
            words += ["--out", "--mac", self.gateway_mac, "--from", "192.168.0.2:10000", "--to", "198.51.100.8:9"]
        else:
            words += ["--mac", self.uplink_mac, "--from", "203.0.113.10:10000", "--to", self.target]
        if not flows or flows > 20000:
            words += ["--addr", "198.18.0.1"]
        r = subprocess.run(words, text=True, capture_output=True)
        if r.returncode:
            raise SystemExit("bench: %s: %s" % (self.name, r.stderr.strip()))
        rate, alive = r.stdout.split()
        return float(rate), float(alive)
