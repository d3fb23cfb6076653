#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What root in a namespace, or a bad neighbour outside, can do with raw frames: a verb for each.

Words of the form NAME=VALUE are options. Listeners print "ready" and then a line for each hit.
"""
import ctypes
import errno
import fcntl
import ipaddress
import os
import re
import select
import socket
import struct
import sys
import time

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0800, 0x0806, 0x86dd
SOL_PACKET, PACKET_OUTGOING, PACKET_VNET_HDR = 263, 4, 15
PROTO = {"icmp": 1, "tcp": 6, "udp": 17}
UDP_SEGMENT = 103
IP_MTU_DISCOVER, IP_RECVERR, IP_PMTUDISC_PROBE = 10, 11, 3
SYN, RST, ACK = 2, 4, 16
LIFE = 30   # seconds: nothing here runs for longer


# -- packets -------------------------------------------------------------------------------------

def options(words):
    return dict(word.split("=", 1) for word in words)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip4(src, dst, proto, data, ttl=64, ident=1, frag=0, spoil=0, extra=b"", total=None):
    """An IPv4 packet; spoil is added to its checksum, extra: options, total: the length it says."""
    size = 20 + len(extra) + len(data) if total is None else total

    def head(check):
        return struct.pack("!BBHHHBBH4s4s", 0x45 + len(extra) // 4, 0, size, ident, frag, ttl,
                           proto, check, socket.inet_aton(src),
                           socket.inet_aton(dst)) + extra
    return head((checksum(head(0)) + spoil) & 0xffff) + data


def pseudo(src, dst, proto, size):
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", proto, size)


def udp(src, dst, sport, dport, data):
    def head(check):
        return struct.pack("!HHHH", sport, dport, 8 + len(data), check)
    return head(checksum(pseudo(src, dst, 17, 8 + len(data)) + head(0) + data) or 0xffff) + data


def tcp(src, dst, sport, dport, flags, seq=1, data=b""):
    def head(check):
        return struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 1024, check, 0)
    return head(checksum(pseudo(src, dst, 6, 20 + len(data)) + head(0) + data)) + data


def icmp(kind, code, rest, data):
    """rest: the second word of the header."""
    def head(check):
        return struct.pack("!BBHI", kind, code, check, rest)
    return head(checksum(head(0) + data)) + data


def segment(proto, src, dst, sport, dport, data, flags=SYN):
    """What IP carries; of an echo the source port is the identifier."""
    if proto == "udp":
        return udp(src, dst, sport, dport, data)
    if proto == "tcp":
        return tcp(src, dst, sport, dport, flags, data=data)
    return icmp(8, 0, sport << 16 | 1, data)


def addr6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def ip6(src, dst, proto, data, hops=255):
    head = struct.pack("!IHBB", 6 << 28, len(data), proto, hops)
    return head + addr6(src) + addr6(dst) + data


def icmp6(src, dst, kind, body):
    both = addr6(src) + addr6(dst)
    whole = struct.pack("!BBH", kind, 0, 0) + body
    check = checksum(both + struct.pack("!II", len(whole), 58) + whole)
    return struct.pack("!BBH", kind, 0, check) + body


# -- the interface -------------------------------------------------------------------------------

def interface(name, request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, request, struct.pack("256s", name.encode()))


def mac_of(name):
    return interface(name, 0x8927)[18:24]


def address_of(name):
    return socket.inet_ntoa(interface(name, 0x8915)[20:24])


def gateway():
    for line in open("/proc/net/route").read().splitlines()[1:]:
        word = line.split()
        if word[1] == "00000000" and word[2] != "00000000":
            return socket.inet_ntoa(bytes.fromhex(word[2])[::-1])
    raise ValueError("no default route")


def neighbour_mac(addr):
    """Of a neighbour, which is asked if it must be."""
    for _ in range(20):
        for line in open("/proc/net/arp").read().splitlines()[1:]:
            word = line.split()
            if word[0] == addr and word[3] != "00:00:00:00:00:00":
                return mac_bytes(word[3])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (addr, 9))
        time.sleep(0.05)
    raise ValueError("no answer from " + addr)


class Wire:
    """Frames from an interface to the machine at via (the gateway); tags=TYPE:TCI,... in hex."""

    def __init__(self, name, o, vnet=False):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        if vnet:
            self.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.sock.bind((name, 0))
        self.mac, self.addr = mac_of(name), o.get("src") or address_of(name)
        self.to = mac_bytes(o["mac"]) if "mac" in o else neighbour_mac(o.get("via") or gateway())
        self.tags = b""
        for tag in filter(None, o.get("tags", "").split(",")):
            self.tags += struct.pack("!HH", *[int(word, 16) for word in tag.split(":")])

    def frame(self, payload, kind=ETH_P_IP, to=None):
        return (to or self.to) + self.mac + self.tags + struct.pack("!H", kind) + payload

    def send(self, payload, kind=ETH_P_IP, to=None):
        self.put(self.frame(payload, kind, to))

    def put(self, frame):
        """A netkit device tells its sender that a frame was dropped; a veth does not know."""
        try:
            self.sock.send(frame)
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise


def packet_of(o, src):
    """The IPv4 packet that options describe."""
    proto, dst = o.get("proto", "udp"), o["dst"]
    data = o.get("word", "hostile").encode() + b"." * int(o.get("size", 0))
    inner = segment(proto, src, dst, int(o.get("sport", 21999)), int(o.get("dport", 9)), data)
    return ip4(src, dst, PROTO[proto], inner, int(o.get("ttl", 64)), int(o.get("id", 1)),
               int(o.get("frag", 0)), int(o.get("spoil", 0)), bytes.fromhex(o.get("options", "")),
               int(o["total"]) if "total" in o else None)


# -- listeners -----------------------------------------------------------------------------------

def describe(frame):
    """Source, its port, destination, its port, MACs, and whether the IP header's sum is right."""
    kind, at = struct.unpack("!H", frame[12:14])[0], 14
    while kind in (0x8100, 0x88a8) and len(frame) >= at + 4:
        kind, at = struct.unpack("!H", frame[at + 2:at + 4])[0], at + 4
    macs = frame[6:12].hex(":"), frame[0:6].hex(":")
    ip = frame[at:]
    if kind != ETH_P_IP or len(ip) < 20 or ip[0] >> 4 != 4:
        return {"type": "%04x" % kind, "src": "-", "dst": "-", "proto": 0, "sport": 0, "dport": 0,
                "macs": macs, "good": False}
    ihl = (ip[0] & 15) * 4
    sport = dport = 0
    if ip[9] in (6, 17) and len(ip) >= ihl + 4:
        sport, dport = struct.unpack("!HH", ip[ihl:ihl + 4])
    if ip[9] == 1 and len(ip) >= ihl + 8:
        sport = struct.unpack("!H", ip[ihl + 4:ihl + 6])[0]
    return {"type": "0800", "src": socket.inet_ntoa(ip[12:16]), "dst": socket.inet_ntoa(ip[16:20]),
            "proto": ip[9], "sport": sport, "dport": dport, "macs": macs,
            "good": checksum(ip[:ihl]) == 0}


def only_other_sources(sock, addr):
    """Let the kernel choose IPv4 that is not from addr, so that a flood does not hide it."""
    want = struct.unpack("!I", socket.inet_aton(addr))[0]
    code = [(0x28, 0, 0, 12), (0x15, 0, 3, ETH_P_IP), (0x20, 0, 0, 26), (0x15, 1, 0, want),
            (6, 0, 0, 0xffff), (6, 0, 0, 0)]
    raw = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(code), ctypes.addressof(raw)))


def in_net(addr, net):
    return addr != "-" and ipaddress.ip_address(addr) in ipaddress.ip_network(net)


def heard(frame, o):
    d = describe(frame)
    if "word" in o and o["word"].encode() not in frame:
        return None
    for end in "src", "dst":
        if end in o and not in_net(d[end], o[end]):
            return None
    if "not_src" in o and d["src"] in ("-", o["not_src"]):
        return None
    if "proto" in o and d["proto"] != PROTO[o["proto"]]:
        return None
    if "dport" in o and d["dport"] != int(o["dport"]):
        return None
    if "unless" in o:   # as it must be: SRC,SPORT,DST,DPORT,SMAC,DMAC
        good = "%(src)s,%(sport)d,%(dst)s,%(dport)d" % d + ",%s,%s" % d["macs"]
        if d["good"] and good == o["unless"]:
            return None
    word = re.search(o["word"].encode() + rb"[-\w:,]*", frame)[0].decode() if "word" in o else ""
    return "%(type)s %(src)s %(sport)d %(dst)s %(dport)d proto %(proto)d" % d + \
        ("" if d["good"] else " bad-sum") + " %s>%s " % d["macs"] + word


def sniff(name, *words):
    """Frames that come in: with this word, source, destination; at most 200 of them, or max=N."""
    o = options(words)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    if "not_src" in o:
        only_other_sources(sock, o["not_src"])
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)   # SO_RCVBUFFORCE
    sock.bind((name, ETH_P_ALL))
    sock.settimeout(LIFE)
    print("ready", flush=True)
    left = int(o.get("max", 200))
    while left:
        frame, where = sock.recvfrom(65536)
        line = None if where[2] == PACKET_OUTGOING else heard(frame, o)
        if line:
            print(line, flush=True)
            left -= 1


def listen(port, *words):
    """A UDP socket of the machine, in a group at its address if=ADDR where group=ADDR is given."""
    o = options(words)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.bind(("0.0.0.0", int(port)))
    if "group" in o:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                        socket.inet_aton(o["group"]) + socket.inet_aton(o["if"]))
    sock.settimeout(LIFE)
    print("ready", flush=True)
    for _ in range(200):
        data, peer = sock.recvfrom(65536)
        print(peer[0], peer[1], data[:20].decode("latin-1"), flush=True)


def listen_types(name, *kinds):
    """Packet sockets for single types, as lldpd has: unlike tcpdump's they come after TC."""
    socks = []
    for kind in kinds:
        socks.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        socks[-1].bind((name, int(kind, 16)))
    print("ready", flush=True)
    end = time.time() + LIFE
    while time.time() < end:
        for sock in select.select(socks, [], [], 1)[0]:
            frame, where = sock.recvfrom(65536)
            if where[2] != PACKET_OUTGOING:
                print("type %04x" % where[1], frame[14:24].hex(), flush=True)


# -- single frames -------------------------------------------------------------------------------

def frame(name, *words):
    """count=N copies of one packet, tagged as tags= says."""
    o = options(words)
    wire = Wire(name, o)
    for _ in range(int(o.get("count", 3))):
        wire.send(packet_of(o, wire.addr))


def answered(name, *words):
    """What comes back to a SYN or a datagram: syn-ack, rst, echo, icmp; nothing within a second."""
    o = options(words)
    wire, end = Wire(name, o), time.time() + 1
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((name, ETH_P_ALL))
    port, word = int(o["sport"]), o.get("word", "hostile").encode()
    for attempt in range(2):
        wire.send(packet_of(o, wire.addr))
    while (left := end - time.time()) > 0:
        if not select.select([sock], [], [], left)[0]:
            break
        data, where = sock.recvfrom(65536)
        d = describe(data)
        if where[2] == PACKET_OUTGOING or d["src"] != o["dst"]:
            continue
        if d["proto"] != 1 and d["dport"] != port:
            continue
        if d["proto"] == 6:
            print("syn-ack" if data[47] & (SYN | ACK) == SYN | ACK else "rst")
        elif d["proto"] == 17:
            print("echo" if word in data else "other")
        else:
            print("icmp")
        return
    print("nothing")


def marked(proto, host, port, word, mark):
    """A packet of a socket with a mark, for which a program puts a tag into the metadata."""
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, 36, int(mark))   # SO_MARK
    sock.settimeout(0.4)
    try:
        sock.connect((host, int(port)))
        sock.send(word.encode())
        print("answered" if sock.recv(100) else "closed")
    except (TimeoutError, ConnectionError):
        print("nothing")


def typed(name, *kinds):
    """An IPv4 packet to the host, of which the sender says beside the frame that it is of another type."""
    wire = Wire(name, {})
    frame = wire.frame(ip4(wire.addr, gateway(), 17, struct.pack("!HHHH", 9, 9, 8, 0)))
    for kind in kinds:
        try:
            wire.sock.sendto(frame, (name, int(kind, 16)))
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise


def later(host, port, seconds):
    """A datagram that the kernel is asked to send some seconds from now (SO_TXTIME); says when it is answered."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 61, struct.pack("Ii", time.CLOCK_MONOTONIC, 0))     # SO_TXTIME
    sock.settimeout(float(seconds) + 2)
    sock.connect((host, int(port)))
    start = time.monotonic_ns()
    when = struct.pack("Q", start + int(float(seconds) * 1e9))
    sock.sendmsg([b"later"], [(socket.SOL_SOCKET, 61, when)])
    sock.recv(100)
    print("answered after %.1f s" % ((time.monotonic_ns() - start) / 1e9))


def ethertypes(name, *kinds):
    """A frame of each type, to the host's end and to everybody."""
    wire = Wire(name, {})
    for kind in kinds:
        for to in wire.to, b"\xff" * 6, mac_bytes("01:80:c2:00:00:0e"):
            wire.send(b"\x11\x22\x33\x44" * 16, int(kind, 16), to)


def arp(name, *words):
    """ARP requests and answers in the name of sender=ADDR; count=N: and of those that follow it."""
    o = options(words)
    wire, target = Wire(name, o), o.get("target") or gateway()
    first = int(ipaddress.ip_address(o["sender"]))
    for i in range(int(o.get("count", 1))):
        sender = ipaddress.ip_address(first + i).packed
        for op in 1, 2:
            whom, to = (b"\0" * 6, b"\xff" * 6) if op == 1 else (wire.to, wire.to)
            wire.send(struct.pack("!HHBBH6s4s6s4s", 1, ETH_P_IP, 6, 4, op, wire.mac, sender, whom,
                                  socket.inet_aton(target)), ETH_P_ARP, to)


# -- IPv6 ----------------------------------------------------------------------------------------

def advertise(name, prefix, *words):
    """A router advertisement for a /64; hide=hop|dest|frag puts an extension header before it."""
    o = options(words)
    wire, src, dst = Wire(name, {}), o.get("from", "fe80::66"), "ff02::1"
    body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + struct.pack("!BB6s", 1, 1, wire.mac) + \
        struct.pack("!BBBBIII16s", 3, 4, 64, 0xc0, 7200, 3600, 0, addr6(prefix))
    ra = icmp6(src, dst, 134, body)
    hide = o.get("hide", "")
    if hide == "hop":
        packet = ip6(src, dst, 0, struct.pack("!BBBB4s", 58, 0, 1, 4, b"\0" * 4) + ra)
    elif hide == "dest":
        packet = ip6(src, dst, 60, struct.pack("!BBBB4s", 58, 0, 1, 4, b"\0" * 4) + ra)
    elif hide == "frag":
        packet = ip6(src, dst, 44, struct.pack("!BBHI", 58, 0, 0, 77) + ra)
    else:
        packet = ip6(src, dst, 58, ra)
    for _ in range(3):
        wire.send(packet, ETH_P_IPV6, mac_bytes("33:33:00:00:00:01"))
        time.sleep(0.05)


def redirect6(name, router, target, dst, host, *words):
    """The router says that target is a better way to dst."""
    wire = Wire(name, options(words))
    body = struct.pack("!I", 0) + addr6(target) + addr6(dst) + \
        struct.pack("!BB6s", 2, 1, wire.mac)
    for _ in range(3):
        wire.send(ip6(router, host, 58, icmp6(router, host, 137, body)), ETH_P_IPV6)


def solicit(name, target, count):
    """Questions for the host's address, each from another source."""
    wire = Wire(name, {})
    for i in range(int(count)):
        src = "fe80::bad:%x" % (i + 1)
        body = struct.pack("!I", 0) + addr6(target) + struct.pack("!BB6s", 1, 1, wire.mac)
        wire.send(ip6(src, target, 58, icmp6(src, target, 135, body)), ETH_P_IPV6)


def datagram6(name, src, dst, port, word):
    wire, data = Wire(name, {}), word.encode()
    both = addr6(src) + addr6(dst)
    head = struct.pack("!HHHH", 999, int(port), 8 + len(data), 0)
    check = checksum(both + struct.pack("!II", 8 + len(data), 17) + head + data)
    wire.send(ip6(src, dst, 17, head[:6] + struct.pack("!H", check) + data, 64), ETH_P_IPV6)


def udp_echo_at(address, port):
    """Echo from the address that was asked, though it is not the machine's first."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, int(port)))
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)


def listen6(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", int(port)))
    sock.settimeout(LIFE)
    print("ready", flush=True)
    while True:
        data, peer = sock.recvfrom(65536)
        print(peer[0], data[:20].decode("latin-1"), flush=True)


# -- ICMP errors ---------------------------------------------------------------------------------

def error(name, kind, *words):
    """An ICMP error to dst= that quotes qsrc=ADDR:PORT to qdst=ADDR:PORT of qproto=.

    kind: port, too-big (rest=552) or redirect (rest=the new gateway); qproto=reply: echo reply.
    """
    o = options(words)
    wire = Wire(name, o)
    (qs, qsp), (qd, qdp) = o["qsrc"].split(":"), o["qdst"].split(":")
    if o["qproto"] == "reply":
        quoted = ip4(qs, qd, 1, icmp(0, 0, int(qsp) << 16, b"x" * 16))
    else:
        inner = segment(o["qproto"], qs, qd, int(qsp), int(qdp), b"x" * 16, ACK)
        quoted = ip4(qs, qd, PROTO[o["qproto"]], inner)
    quoted = quoted[:6] + b"\x40\0" + quoted[8:10] + b"\0\0" + quoted[12:]   # don't fragment
    quoted = quoted[:10] + struct.pack("!H", checksum(quoted[:20])) + quoted[12:]
    if kind == "port":
        body = icmp(3, 3, 0, quoted)
    elif kind == "too-big":
        body = icmp(3, 4, int(o.get("rest", 552)), quoted)
    else:
        body = icmp(5, 1, struct.unpack("!I", socket.inet_aton(o["rest"]))[0], quoted)
    for _ in range(int(o.get("count", 3))):
        wire.send(ip4(wire.addr, o["dst"], 1, body))


def udp_hold(host, port, source, wait_for):
    """A connected UDP socket that must live: says "open", and at the end "alive" or its error."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(source)))
    sock.connect((host, int(port)))
    sock.settimeout(2)
    try:
        for turn in range(2):
            sock.send(b"held")
            if sock.recv(100) != b"held":
                raise ValueError("other bytes")
            if turn == 0:
                print("open", flush=True)
                end = time.time() + LIFE
                while not os.path.exists(wait_for) and time.time() < end:
                    time.sleep(0.05)
        print("alive, path MTU", sock.getsockopt(socket.IPPROTO_IP, 14))
    except OSError as e:
        print("dead:", e)


def udp_refused(host, port):
    """The server's own error must arrive."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, int(port)))
    sock.settimeout(1)
    sock.send(b"x")
    try:
        sock.recv(9)
    except ConnectionRefusedError:
        return
    raise ValueError("not refused")


# -- checksums as metadata -----------------------------------------------------------------------

def partial(name, *words):
    """Frames whose checksum is to be filled in later, at places where none belongs.

    Every start and place up to the end of the ports; more=1 also sends them as first fragments,
    which XDP does not take.
    """
    o = options(words)
    wire, proto = Wire(name, o, vnet=True), o.get("proto", "udp")
    data = o["word"].encode() + b"." * 40
    pairs = [(at, 0) for at in range(0, 40, 2)]
    pairs += [(0, 26), (14, 12), (14, 14), (14, 16), (24, 2), (26, 2), (26, 8), (20, 6)]
    sent, refused, dport = 0, [], int(o.get("dport", 9))
    for start, place in pairs:
        for frag in (0, 0x2000) if o.get("more") else (0,):
            inner = segment(proto, wire.addr, o["dst"], int(o["sport"]), dport, data, ACK)
            packet = ip4(wire.addr, o["dst"], PROTO[proto], inner, 64, start * 64 + place, frag)
            try:    # flags: needs a checksum; no segments
                vnet = struct.pack("<BBHHHH", 1, 0, 0, 0, start, place)
                wire.put(vnet + wire.frame(packet))
                sent += 1
            except OSError:
                refused.append("%d+%d" % (start, place))
    print("sent", sent, "the kernel refuses", *refused)


# -- floods --------------------------------------------------------------------------------------

def keep_sending(send, frames, seconds, burst=0):
    """Round and round until the time or the interface is gone; burst frames in a millisecond."""
    end, count, part = time.time() + min(float(seconds), LIFE), 0, burst or 64
    frames = frames * (part // len(frames) + 1)
    while time.time() < end:
        try:
            for data in frames[:part]:
                send(data)
                count += 1
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                print(e)
                break
        if burst:
            time.sleep(0.001)
    return count


def spray(wire, o):
    return [wire.frame(packet_of(dict(o, dst=dst), src))
            for src in o["src"].split(",") for dst in o["dst"].split(",")]


def flood(name, seconds, *words):
    """Packets from each address of src=A,B to each of dst=A,B, or burst=N in a millisecond."""
    o = options(words)
    src = o["src"].split(",")
    wire = Wire(name, dict(o, src=src[0]))
    frames = spray(wire, dict(o, src=",".join(src)))
    print("sent", keep_sending(wire.put, frames, seconds, int(o.get("burst", 0))))


def rush(netns, name, seconds, *words):
    """As flood, from a namespace and an interface as soon as they are there."""
    libc, end = ctypes.CDLL(None, use_errno=True), time.time() + float(seconds)
    print("ready", flush=True)
    while time.time() < end:
        try:
            fd = os.open("/run/netns/" + netns, os.O_RDONLY)
            if libc.setns(fd, 0x40000000) == 0:
                break
        except OSError:
            pass
    o = options(words)
    count = 0
    while time.time() < end:
        try:
            wire = Wire(name, dict(o, src=o["src"].split(",")[0]))
            frames = spray(wire, o)
            while time.time() < end:
                for data in frames:
                    wire.put(data)
                    count += 1
        except OSError:
            pass
    print("sent", count)


def segments(host, port, seconds, size="1"):
    """Super-packets of datagrams with size bytes each."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, int(size))
    sock.connect((host, int(port)))
    end, count, data = time.time() + float(seconds), 0, b"x" * (64 * int(size))
    while time.time() < end:
        try:
            count += sock.send(data)
        except OSError:
            time.sleep(0.001)
    print("sent", count)


def super_packets(name, seconds, *words):
    """Super-packets of TCP, or of UDP to be fragmented (proto=udp); size= bytes for each part."""
    o = options(words)
    wire, data = Wire(name, o, vnet=True), b"x" * int(o.get("len", 1000))
    proto, sport, dport = o.get("proto", "tcp"), int(o["sport"]), int(o.get("dport", 9))
    if proto == "tcp":
        check = ~checksum(pseudo(wire.addr, o["dst"], 6, 20 + len(data))) & 0xffff
        head = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, ACK, 1024, check, 0)
        vnet = struct.pack("<BBHHHH", 1, 1, 54, int(o.get("size", 1)), 34, 16)
    else:
        check = ~checksum(pseudo(wire.addr, o["dst"], 17, 8 + len(data))) & 0xffff
        head = struct.pack("!HHHH", sport, dport, 8 + len(data), check)
        vnet = struct.pack("<BBHHHH", 1, 3, 42, int(o.get("size", 8)), 34, 6)
    packet = vnet + wire.frame(ip4(wire.addr, o["dst"], PROTO[proto], head + data))
    print("sent", keep_sending(wire.put, [packet], seconds))


def ttl_answers(host, port, count):
    """How many of count datagrams with TTL 1 are answered with "time exceeded"."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    print(count_errors(sock, host, port, b"hop", count, 11))


def too_big_answers(host, port, size, count):
    """How many of count datagrams that are too large are answered with "fragmentation needed"."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    print(count_errors(sock, host, port, b"x" * int(size), count, 3))


def count_errors(sock, host, port, data, count, kind):
    got = 0
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    sock.connect((host, int(port)))
    for _ in range(int(count)):
        for attempt in range(3):   # an error of the one before is told first
            try:
                sock.send(data)
                break
            except OSError:
                pass
        poll = select.poll()
        poll.register(sock, 0)
        if not poll.poll(150):
            continue
        try:
            while True:
                flags = socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
                for _, _, body in sock.recvmsg(2000, 500, flags)[1]:
                    got += struct.unpack("IBBBB", body[:8])[2] == kind or 0
        except OSError:
            pass
        time.sleep(0.02)
    return got


def syns(name, first, count, *remotes):
    """A SYN from each of count source ports to port 9 of each remote."""
    wire = Wire(name, {})
    for port in range(int(first), int(first) + int(count)):
        for remote in remotes:
            wire.send(ip4(wire.addr, remote, 6, tcp(wire.addr, remote, port, 9, SYN)))
        if port % 64 == 0:
            time.sleep(0.002)


def udp_fresh(host, port, first, count, turns):
    """From each of count source ports, turns times, slowly enough for the lab's links, emulated or not."""
    pause = 0.01 if os.environ.get("NSXDP_SLOW") else 0.001
    socks = []
    for source in range(int(first), int(first) + int(count)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", source))
        socks.append(sock)
    for turn in range(int(turns)):
        for i, sock in enumerate(socks):
            sock.sendto(b"x", (host, int(port)))
            if i % 64 == 63:
                time.sleep(pause)


def tcp_open(host, port, count):
    """How many of count connections, held open together, are made within two seconds."""
    socks, made = [], 0
    for _ in range(int(count)):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((host, int(port)))
        socks.append(sock)
    end = time.time() + 2
    while time.time() < end and made < int(count):
        made = 0
        for sock in socks:
            try:
                sock.getpeername()
                made += 1
            except OSError:
                pass
        time.sleep(0.05)
    print("made", made)


def main():
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        globals()[sys.argv[1]](*sys.argv[2:])
    except (TimeoutError, BrokenPipeError):
        pass


main()
