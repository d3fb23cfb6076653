# SPDX-License-Identifier: GPL-2.0-only
"""Fragments as nobody's stack sends them, and datagrams of sizes that do not fit."""
import errno
import random
import socket
import struct
import sys
import time

IP_MTU, IP_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_DO, UDP_SEGMENT = 14, 10, 0, 2, 103


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def words(size, seed):
    return random.Random(seed).randbytes(size)


def cut(whole, piece):
    """Offsets and parts, all but the last of them of piece bytes."""
    return [(at, whole[at:at + piece], at + piece < len(whole)) for at in range(0, len(whole), piece)]


class Raw:
    def __init__(self, host, proto=17, source=None):
        self.host, self.proto, self.source = host, proto, source
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, ident, parts, pause=0):
        for at, part, more in parts:
            self.raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), ident, more * 0x2000 | at // 8, 64, self.proto,
                                        0, socket.inet_aton(self.source), socket.inet_aton(self.host)) + part, (self.host, 0))
            if pause:
                time.sleep(pause)


def udp_socket(host, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.settimeout(3)
    sock.connect((host, int(port)))
    return sock


def datagram(sock, data):
    source, sport = sock.getsockname()
    dest, dport = sock.getpeername()
    length = 8 + len(data)
    pseudo = socket.inet_aton(source) + socket.inet_aton(dest) + struct.pack("!HH", 17, length)
    head = struct.pack("!HHH", sport, dport, length)
    return head + struct.pack("!H", checksum(pseudo + head + b"\0\0" + data) or 0xffff) + data


def orders(parts, seed):
    shuffled = parts[:]
    random.Random(seed).shuffle(shuffled)
    first_last = parts[1:] + parts[:1]
    return [parts, parts[::-1], first_last, shuffled]


def any_order(host, port, *sizes):
    """Datagrams of each size, in pieces of 1480 bytes in four orders, come back whole."""
    sock = udp_socket(host, port)
    raw = Raw(host, source=sock.getsockname()[0])
    ident = random.randrange(65536)
    for size in map(int, sizes):
        for number in range(4):
            data = words(size, number)
            ident = ident + 1 & 0xffff
            raw.send(ident, orders(cut(datagram(sock, data), 1480), size)[number])
            try:
                answer = sock.recv(65536)
            except TimeoutError:
                raise SystemExit("%d bytes in order %d never came back" % (size, number))
            if answer != data:
                raise SystemExit("%d bytes in order %d came back changed" % (size, number))


def many_pieces(host, port, size, piece):
    """The same for other pieces, at random."""
    sock = udp_socket(host, port)
    raw = Raw(host, source=sock.getsockname()[0])
    data = words(int(size), 1)
    parts = cut(datagram(sock, data), int(piece))
    random.shuffle(parts)
    raw.send(random.randrange(65536), parts)
    if sock.recv(65536) != data:
        raise SystemExit("came back changed")


def ping(host, size):
    """An echo request in any order is answered."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.settimeout(3)
    sock.connect((host, 0))
    source, ident = sock.getsockname()[0], random.randrange(65536)
    raw = Raw(host, 1, source)
    for number in range(4):
        data = words(int(size), number)
        head = struct.pack("!BBHHH", 8, 0, 0, ident, number)
        head = struct.pack("!BBHHH", 8, 0, checksum(head + data), ident, number)
        raw.send(ident + number & 0xffff, orders(cut(head + data, 1480), 5)[number])
        while True:
            answer = sock.recv(70000)
            if answer[20] == 0 and answer[24:28] == struct.pack("!HH", ident, number):
                break
        if answer[28:] != data:
            raise SystemExit("came back changed")


def same_ids(host, port, count, first):
    """Datagrams with identifications that others use at the same time; prints how many came back as they went."""
    sock = udp_socket(host, port)
    sock.settimeout(1)
    raw = Raw(host, source=sock.getsockname()[0])
    right = 0
    for number in range(int(count)):
        data = words(6000, number * 7 + hash(sock.getsockname()) % 1000)
        parts = cut(datagram(sock, data), 1480)
        random.shuffle(parts)
        raw.send(int(first) + number, parts, 0.0002)
        try:
            right += sock.recv(65536) == data
        except TimeoutError:
            pass
    print(right)


def overlap(host, port):
    """A part that says something else of what another part says: nothing may come back."""
    sock = udp_socket(host, port)
    sock.settimeout(0.4)
    raw = Raw(host, source=sock.getsockname()[0])
    parts = cut(datagram(sock, words(4000, 1)), 1480)
    evil = (1472, b"x" * 1480, True)
    for ident, order in enumerate((parts[:1] + [evil] + parts[1:], [evil] + parts, parts[::-1][:2] + [evil] + parts[:1])):
        raw.send(40000 + ident, order)
        try:
            sock.recv(65536)
            raise SystemExit("order %d came back" % ident)
        except TimeoutError:
            pass


def sized(host, port, discover, *sizes):
    """Datagrams of each size come back; DF is set with discover = do. Prints the path's MTU as it is known then."""
    sock = udp_socket(host, port)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO if discover == "do" else PMTUDISC_DONT)
    for size in map(int, sizes):
        data = words(size, size)
        sock.send(data)
        if sock.recv(65536) != data:
            raise SystemExit("%d bytes came back changed" % size)
    print(sock.getsockopt(socket.IPPROTO_IP, IP_MTU))


def told(host, port, size):
    """A datagram with DF that does not fit: prints the MTU that the path is said to have."""
    sock = udp_socket(host, port)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    sock.settimeout(1)
    for _ in range(5):
        try:
            sock.send(b"x" * int(size))
            sock.recv(65536)
            raise SystemExit("it came back")
        except TimeoutError:
            continue
        except OSError as e:
            if e.errno != errno.EMSGSIZE:
                raise
            break
    print(sock.getsockopt(socket.IPPROTO_IP, IP_MTU))


def segments(host, port, size, count):
    """A super-packet of datagrams without DF, each larger than its route takes, comes back one by one."""
    sock = udp_socket(host, port)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, int(size))
    data = words(int(size) * int(count), 3)
    sock.send(data)
    back = {sock.recv(65536) for _ in range(int(count))}
    if back != {data[at:at + int(size)] for at in range(0, len(data), int(size))}:
        raise SystemExit("came back changed")


def without_pmtu_discovery(host, port):
    """TCP without DF, whose segments are larger than the route takes, loses nothing."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
    sock.settimeout(10)
    sock.connect((host, int(port)))
    data, back = words(300000, 4), b""
    for at in range(0, len(data), 30000):
        sock.sendall(data[at:at + 30000])
        while len(back) < min(at + 30000, len(data)):
            back += sock.recv(65536)
    if back != data:
        raise SystemExit("came back changed")


def half(host, port, which):
    """The first or the last fragment of a datagram; prints whether the other one came from somebody else."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 7777))
    sock.connect((host, int(port)))
    sock.settimeout(1)
    raw = Raw(host, source=sock.getsockname()[0])
    whole = struct.pack("!HHHH", 7777, int(port), 1480 + 600, 0) + b"x" * 1472 + b"SECRET" * 100
    parts = cut(whole, 1480)
    raw.send(77, parts[:1] if which == "first" else parts[1:])
    try:
        print("answer" if which == "first" and b"SECRET" in sock.recv(65536) else "silence")
    except TimeoutError:
        print("silence")


def pour(host, port, size, seconds):
    """As many datagrams as go, for some seconds; prints how many."""
    sock = udp_socket(host, port)
    end, count, data = time.time() + float(seconds), 0, b"x" * int(size)
    while time.time() < end:
        for _ in range(50):
            sock.send(data)
        count += 50
    print(count)


def count(port, seconds, path):
    """Write how many datagrams come in."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind(("", int(port)))
    sock.settimeout(0.2)
    end, number = time.time() + float(seconds), 0
    while time.time() < end:
        try:
            sock.recv(65536)
            number += 1
        except TimeoutError:
            pass
    with open(path, "w", encoding="ascii") as out:
        out.write("%d\n" % number)


def sized_ids(host, port, size, count, first):
    """Whole datagrams without DF and with given identifications; prints how many came back as they went."""
    sock = udp_socket(host, port)
    sock.settimeout(1)
    raw = Raw(host, source=sock.getsockname()[0])
    right = 0
    for number in range(int(count)):
        data = words(int(size), number * 7 + hash(sock.getsockname()) % 1000)
        raw.send(int(first) + number, [(0, datagram(sock, data), False)])
        try:
            right += sock.recv(65536) == data
        except TimeoutError:
            pass
    print(right)


def fragment4(source, target, number, offset, data):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), number & 0xffff, 0x2000 | offset, 64, 17, 0, source, target) + data


def fragment6(source, target, number, offset, data):
    return (struct.pack("!IHBB16s16s", 6 << 28, 8 + len(data), 44, 64, source, target) +
            struct.pack("!BBHI", 17, 0, offset << 3 | 1, number) + data)


def flood(host, source, seconds, what="later"):
    """Parts of datagrams that never become whole, from one address, or from many where source is "any"."""
    family, fragment = (socket.AF_INET6, fragment6) if ":" in host else (socket.AF_INET, fragment4)
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    end, count, target = time.time() + float(seconds), 0, socket.inet_pton(family, host)
    while time.time() < end:
        for _ in range(200):
            count += 1
            if source != "any":
                addr = socket.inet_pton(family, source)
            else:
                addr = struct.pack("!I", 0x0a000000 | count * 40503 & 0xffffff)
                if family == socket.AF_INET6:
                    addr = socket.inet_pton(family, "2001:db8:a::")[:12] + addr
            raw.sendto(fragment(addr, target, count, (what == "later") * (1 + count % 1000), b"x" * 1400), (host, 0))
    print(int(count / float(seconds)))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
