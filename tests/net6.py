#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Network programs for the end-to-end tests of IPv6: each verb is a small server or a client that checks."""
import fcntl
import os
import select
import socket
import struct
import sys
import time


def server(port, kind="tcp"):
    """Say who the client is: over TCP in a line, over UDP before an echo. Both families."""
    if kind == "udp":
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("::", int(port)))
        while True:
            data, peer = sock.recvfrom(65536)
            sock.sendto(data, peer)
    sock = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    while True:
        conn, peer = sock.accept()
        conn.sendall(b"%s\n" % peer[0].replace("::ffff:", "").split("%")[0].encode())
        conn.close()


def bind6(port, only):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only))
    s.bind(("::", int(port)))


def client(host, port, source=""):
    """Who the server says we are."""
    sock = socket.create_connection((host, int(port)), 4, (source, 0) if source else None)
    print(sock.makefile().readline().strip())


def udp(host, port, size, count="1", checksum="1"):
    """Echo datagrams of a size."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(3)
    if checksum == "0":
        sock.setsockopt(socket.SOL_SOCKET, 101, 1)   # UDP_NO_CHECK6_TX
    sock.connect((host, int(port)))
    for i in range(int(count)):
        word = os.urandom(int(size))
        sock.send(word)
        if sock.recv(65536) != word:
            raise ValueError("datagram %d came back changed" % i)
    print(sock.getsockname()[0])


def listen(port, host, remote_port):
    """Send to somebody, and then hear somebody else."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(2)
    sock.bind(("::", int(port)))
    sock.sendto(b"x", (host, int(remote_port)))
    while sock.recvfrom(100)[0] != b"stranger":
        pass


def stranger(host, port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.sendto(b"stranger", (host, int(port)))


def talker(port):
    """Whoever connects is told something all the time."""
    conn, _ = socket.create_server(("::", int(port)), family=socket.AF_INET6).accept()
    for _ in range(50):
        conn.sendall(b"x")
        time.sleep(0.1)


def listener(host, port, path):
    sock = socket.create_connection((host, int(port)), 4)
    with open(path, "wb", buffering=0) as out:
        while data := sock.recv(100):
            out.write(data)


def udp_for(host, port, seconds):
    """Keep sending, whether it is answered or not."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.connect((host, int(port)))
    end = time.time() + float(seconds)
    while time.time() < end:
        try:
            sock.send(b"x")
        except OSError:
            pass
        time.sleep(0.1)


def fold(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def l4_sum(src, dst, proto, data):
    a, b = socket.inet_pton(socket.AF_INET6, src), socket.inet_pton(socket.AF_INET6, dst)
    return ~fold(a + b + struct.pack("!II", len(data), proto) + data) & 0xffff


def mac_of(dev):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return fcntl.ioctl(sock, 0x8927, struct.pack("256s", dev.encode()))[18:24]


def frame(dev, dmac, packet):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((dev, 0))
    sock.send(bytes.fromhex(dmac.replace(":", "")) + mac_of(dev) + b"\x86\xdd" + packet)


def header(src, dst, proto, length, hops=64):
    return (struct.pack("!IHBB", 6 << 28, length, proto, hops) + socket.inet_pton(socket.AF_INET6, src) +
            socket.inet_pton(socket.AF_INET6, dst))


def router(dev, prefix, lifetime="1800", src="fe80::99"):
    """A router advertisement, with a prefix that hosts make addresses of; src own: by the MAC."""
    if src == "own":
        mac = mac_of(dev)
        mac = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
        src = socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + mac)
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, int(lifetime), 0, 0)
    body += struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
    body += struct.pack("!BB", 1, 1) + mac_of(dev)
    body = body[:2] + struct.pack("!H", l4_sum(src, "ff02::1", 58, body)) + body[4:]
    frame(dev, "33:33:00:00:00:01", header(src, "ff02::1", 58, len(body), 255) + body)


def forge(dev, dmac, src, dst, sport, dport):
    """A datagram from whoever."""
    data = struct.pack("!HHHH", int(sport), int(dport), 13, 0) + b"hello"
    data = data[:6] + struct.pack("!H", l4_sum(src, dst, 17, data)) + data[8:]
    frame(dev, dmac, header(src, dst, 17, len(data)) + data)


def group_of(addr):
    """The solicited-node group of an address."""
    return "ff02::1:ff" + ":".join(socket.inet_pton(socket.AF_INET6, addr)[13:].hex()[i:i + n] for i, n in ((0, 2), (2, 4)))


def solicit(dev, dmac, src, target, how=""):
    """Ask for a neighbour; how: what is special, or wrong."""
    mac, nonce = b"\1\1" + mac_of(dev), b"\x0e\1random"
    src = {"source": "ff02::1", "itself": target}.get(how, "::" if how in ("nobody", "free", "group", "hidden") else src)
    dst = group_of(target) if how in ("free", "hidden") else "ff02::1" if how == "group" else target
    options = {"option": b"\1\0" + mac[2:], "second": mac + b"\x0e\0random", "hidden": nonce + mac, "free": nonce,
               "group": b"", "long": nonce * 140 + mac, "cut": mac + b"\x0e\2random"}.get(how, mac)
    data = struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, target) + options
    total = l4_sum(src, dst, 58, data) ^ (0x1234 if how == "sum" else 0)
    data = data[:2] + struct.pack("!H", total) + data[4:]
    frame(dev, dmac, header(src, dst, 58, len(data), 254 if how == "hops" else 255) + data)


def fragments(dev, dmac, src, dst, sport, dport, size, order, overlap="0"):
    """A datagram in fragments of 1,024 bytes, in an order: forward, backward or last-first."""
    data = bytes(range(256)) * (int(size) // 256 + 1)
    data = struct.pack("!HHHH", int(sport), int(dport), 8 + int(size), 0) + data[:int(size)]
    data = data[:6] + struct.pack("!H", l4_sum(src, dst, 17, data) or 0xffff) + data[8:]
    ident = int.from_bytes(os.urandom(4), "big")
    parts = []
    for at in range(0, len(data), 1024):
        part = data[at:at + 1024]
        more = at + 1024 < len(data)
        parts.append(header(src, dst, 44, 8 + len(part)) +
                     struct.pack("!BBHI", 17, 0, at | more, ident) + part)
    if overlap == "1":
        parts.insert(1, header(src, dst, 44, 8 + 1024) + struct.pack("!BBHI", 17, 0, 512 | 1, ident) + b"x" * 1024)
    if order == "backward":
        parts.reverse()
    elif order == "last-first":
        parts.insert(0, parts.pop())
    for part in parts:
        frame(dev, dmac, part)
        time.sleep(0.002)


def receive(port, size):
    """Wait for the datagram of fragments(); prints who sent it."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", int(port)))
    sock.settimeout(4)
    print("ready", flush=True)
    data, peer = sock.recvfrom(65536)
    want = (bytes(range(256)) * (int(size) // 256 + 1))[:int(size)]
    if data != want:
        raise ValueError("%d other bytes" % len(data))
    print(peer[0])


def syn_ext(dev, dmac, src, dst, port, kinds):
    """A SYN behind extension headers (h, d, 0: a routing header of type 0), and what comes back."""
    numbers = {"h": 0, "d": 60, "0": 43}
    tcp = struct.pack("!HHIIBBHHH", 4321, int(port), 1, 0, 5 << 4, 2, 8192, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", l4_sum(src, dst, 6, tcp)) + tcp[18:]
    rest, nxt = tcp, 6
    for kind in reversed(kinds):
        ext = (b"\x02\x00\x01" + bytes(21)) if kind == "0" else b"\x00\x01\x04" + bytes(4)
        rest, nxt = bytes([nxt]) + ext + rest, numbers[kind]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
    sock.bind((dev, 0x86dd))
    frame(dev, dmac, header(src, dst, nxt, len(rest)) + rest)
    end = time.time() + 2
    while time.time() < end and select.select([sock], [], [], 0.2):
        if not select.select([sock], [], [], 0.2)[0]:
            continue
        got = sock.recv(65536)
        if got[:6] == mac_of(dev) and got[20] == 6 and got[54:58] == struct.pack("!HH", int(port), 4321):
            print("SYN-ACK" if got[67] & 0x12 == 0x12 else "RST")
            return
    print("nothing")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
