#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Network programs for the end-to-end tests: each verb is a small server or a client that checks."""
import asyncio
import ctypes
import os
import resource
import socket
import struct
import sys
import threading
import time


def raise_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def abort_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def tcp_echo_server(port, addr="0.0.0.0"):
    """Echo; at end of stream answer with "end" and the peer's address, then close."""
    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write(b"end %s" % writer.get_extra_info("peername")[0].encode())
            writer.close()
        except ConnectionError:
            writer.close()
    server = await asyncio.start_server(serve, addr, int(port), backlog=4096)
    await server.serve_forever()


async def tcp_many(host, port, count, hold):
    """Open count connections at once, echo on all of them, hold them open, echo again, close."""
    gate = asyncio.Semaphore(200)

    async def dial(i):
        async with gate:
            return await asyncio.wait_for(asyncio.open_connection(host, int(port)), 20)

    async def echo(i, pair):
        word = b"connection %d " % i * 20
        pair[1].write(word)
        got = await asyncio.wait_for(pair[0].readexactly(len(word)), 20)
        if got != word:
            raise ValueError("connection %d got other bytes: %r" % (i, got[:40]))
    pairs = await asyncio.gather(*[dial(i) for i in range(int(count))])
    await asyncio.gather(*[echo(i, p) for i, p in enumerate(pairs)])
    print("open", flush=True)
    await asyncio.sleep(float(hold))
    await asyncio.gather(*[echo(i, p) for i, p in enumerate(pairs)])
    for _, writer in pairs:
        writer.close()
    print("done", len(pairs))


def half_close(host, port, source="0"):
    """Send, close our half, wait longer than a moment, and still get all answers."""
    sock = socket.create_connection((host, int(port)), 5, ("0.0.0.0", int(source)))
    sock.sendall(b"hello")
    sock.shutdown(socket.SHUT_WR)
    time.sleep(0.5)
    data = b""
    while part := sock.recv(4096):
        data += part
    if not data.startswith(b"helloend "):
        raise ValueError("half-close: got %r" % data)
    print(data[len("helloend "):].decode())


def udp_from(source, host, port):
    """A datagram from a port of ours, and its answer."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(source)))
    sock.connect((host, int(port)))
    sock.settimeout(2)
    for _ in range(2):  # an error comes with the second
        sock.send(b"hello")
        time.sleep(0.1)
    print(sock.recv(100))


def reset_client(host, port):
    """Abort a connection: the server must see the reset, not silence (tcp_reset_server says)."""
    sock = socket.create_connection((host, int(port)), 5)
    sock.sendall(b"x")
    sock.recv(1)
    abort_on_close(sock)
    sock.close()


def reset_server(port):
    """Wait for one byte, answer, and tell whether the peer resets; then reset the second client."""
    server = socket.create_server(("0.0.0.0", int(port)))
    conn, _ = server.accept()
    conn.sendall(conn.recv(1))
    conn.settimeout(5)
    try:
        conn.recv(1)
        print("closed", flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
    conn, _ = server.accept()
    conn.recv(1)
    abort_on_close(conn)
    conn.close()


def expect_reset(host, port):
    sock = socket.create_connection((host, int(port)), 5)
    sock.sendall(b"x")
    try:
        sock.recv(1)
    except ConnectionResetError:
        return
    raise ValueError("the server's reset did not arrive")


def reuse(host, port, rounds):
    """Connect from one source port again and again: after a clean close (TIME_WAIT) and after a reset."""
    source = None
    for i in range(int(rounds)):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source:
            sock.bind(("0.0.0.0", source))
        sock.settimeout(5)
        sock.connect((host, int(port)))
        source = sock.getsockname()[1]
        sock.sendall(b"round %d" % i)
        if sock.recv(100) != b"round %d" % i:
            raise ValueError("round %d" % i)
        abort_on_close(sock)
        sock.close()
    print("source port", source)


def udp_echo_server(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("0.0.0.0", int(port)))
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)


def udp_client(host, port, *sizes):
    """Datagrams of each size come back unchanged; one lost in the first instant is sent again."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(2)
    sock.connect((host, int(port)))
    for size in sizes:
        data = bytes(i * 7 % 251 for i in range(int(size)))
        sock.send(data)
        if sock.recv(65536) != data:
            raise ValueError("%s bytes came back changed" % size)


def udp_resent(host, port, *sizes):
    """As udp_client, by a program that sends again what is not answered: the path's MTU is not known at first."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.3)
    sock.connect((host, int(port)))
    for size in sizes:
        data = bytes(i * 7 % 251 for i in range(int(size)))
        for attempt in range(10):
            try:
                sock.send(data)
                if sock.recv(65536) != data:
                    raise ValueError("%s bytes came back changed" % size)
                break
            except (TimeoutError, OSError):
                continue
        else:
            raise ValueError("%s bytes never came back" % size)


def udp_reversed(host, port, size):
    """A datagram whose fragments leave last one first comes back whole."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(2)
    sock.connect((host, int(port)))
    source, sport = sock.getsockname()
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    data = bytes(i * 7 % 251 for i in range(int(size)))
    whole = struct.pack("!HHHH", sport, int(port), 8 + len(data), 0) + data
    for attempt in range(5):
        for at in reversed(range(0, len(whole), 1480)):
            part = whole[at:at + 1480]
            more = 0x2000 if at + 1480 < len(whole) else 0
            raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), sport + attempt, more | at // 8, 64, 17, 0,
                                   socket.inet_aton(source), socket.inet_aton(host)) + part, (host, 0))
        if sock.recv(65536) != data:
            raise ValueError("came back changed")


def recv_or_send_again(sock, words, tries):
    for _ in range(tries - 1):
        try:
            return sock.recv(100)
        except socket.timeout:
            sock.send(words)
    return sock.recv(100)


def udp_ports(host, port, first, count, tag):
    """From many source ports at once: every answer must be our own words (no two flows share a port).

    A datagram that met an entry in the moment in which it changed is lost (drop-changed): it is sent again.
    """
    socks = []
    for source in range(int(first), int(first) + int(count)):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", source))
        sock.connect((host, int(port)))
        sock.settimeout(1)
        socks.append(sock)
    for _ in range(2):      # in batches that the server's receive buffer holds
        for i in range(0, len(socks), 50):
            for sock in socks[i:i + 50]:
                sock.send(b"%s %d" % (tag.encode(), sock.getsockname()[1]))
            for sock in socks[i:i + 50]:
                want = b"%s %d" % (tag.encode(), sock.getsockname()[1])
                got = recv_or_send_again(sock, want, 5)
                if got != want:
                    raise ValueError("wanted %r, got %r" % (want, got))
    print("answers", 2 * len(socks))


def udp_count(port, seconds):
    """Count what arrives for some seconds."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(port)))
    sock.settimeout(float(seconds))
    count = 0
    try:
        while True:
            sock.recv(65536)
            count += 1
    except TimeoutError:
        print(count)


def stream_or_datagram(proto, family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)


def dialled(host, port):
    """Whatever happens on the way, a socket says that it talks to whom it dialled."""
    port = int(port)
    sock = socket.create_connection((host, port), 5)
    assert sock.getpeername() == (host, port), sock.getpeername()
    mapped = socket.socket(socket.AF_INET6)
    mapped.connect(("::ffff:" + host, port))
    assert mapped.getpeername()[:2] == ("::ffff:" + host, port), mapped.getpeername()
    free = stream_or_datagram("udp")
    free.settimeout(2)
    free.sendto(b"x", (host, port))
    assert free.recvfrom(9) == (b"x", (host, port))
    bound = stream_or_datagram("udp")
    bound.settimeout(2)
    bound.connect((host, port))
    bound.send(b"y")
    assert bound.getpeername() == (host, port) and bound.recv(9) == b"y"


def bind(proto, host, port):
    sock = stream_or_datagram(proto, socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, int(port)))


def in_a_thread(netns, done):
    """A thread enters a network namespace, makes the file done, and stays."""
    def enter():
        with open(netns, "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):  # CLONE_NEWNET
                os._exit(1)
        with open(done, "w", encoding="ascii"):
            pass
        time.sleep(60)
    threading.Thread(target=enter, daemon=True).start()
    time.sleep(60)


def bound(port, done):
    """Bind, make the file done, and keep the socket, which never listens."""
    sock = stream_or_datagram("tcp")
    sock.bind(("0.0.0.0", int(port)))
    with open(done, "w", encoding="ascii"):
        pass
    time.sleep(60)


def listen_when(path, port, watches):
    """Make the file watches, listen as soon as that of path is there, and keep the socket."""
    with open(watches, "w", encoding="ascii"):
        pass
    while not os.path.exists(path):
        pass
    sock = stream_or_datagram("tcp")
    sock.bind(("0.0.0.0", int(port)))
    sock.listen()
    time.sleep(60)


def until_lost(host, port, seconds):
    """How long a connection answers: until an answer is missing for two seconds."""
    sock = socket.create_connection((host, int(port)), 5)
    sock.settimeout(2)
    begin = time.monotonic()
    print("open", flush=True)
    while time.monotonic() < begin + int(seconds):
        try:
            sock.sendall(b"x")
            sock.recv(1)
        except OSError:
            print("lost after %.1f" % (time.monotonic() - begin))
            return
        time.sleep(0.1)
    raise ValueError("it answers still")


def close_when(path, host, port, source):
    """A connection that is closed once the file is there."""
    sock = socket.create_connection((host, int(port)), 5, ("0.0.0.0", int(source)))
    sock.sendall(b"x")
    sock.recv(1)
    print("open", flush=True)
    while not os.path.exists(path):
        time.sleep(0.05)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(100):
        pass
    sock.close()


def from_port(proto, host, port, source):
    """Talk from a port that the kernel chose for us: this one, for it has no other to choose."""
    sock = stream_or_datagram(proto)
    sock.settimeout(3)
    sock.connect((host, int(port)))
    assert sock.getsockname()[1] == int(source), sock.getsockname()
    sock.send(b"from there")
    assert sock.recv(99) == b"from there"


def same_tuple(proto, host, port, source, tag, wait_for=None):
    """From a given port, to be sure that the answers are to our own words; again once a file is there."""
    sock = stream_or_datagram(proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0", int(source)))
    sock.settimeout(3)
    sock.connect((host, int(port)))
    for turn in range(2 if wait_for else 1):
        word = b"%s %d" % (tag.encode(), turn)
        for attempt in range(3):
            sock.send(word)
            try:
                got = sock.recv(100)
                break
            except TimeoutError:
                if proto == "tcp" or attempt == 2:
                    raise
        assert got == word, got
        if wait_for and not turn:
            print("open", flush=True)
            while not os.path.exists(wait_for):
                time.sleep(0.05)
    abort_on_close(sock) if proto == "tcp" else None
    sock.close()


async def tcp_tag_server(port, tag):
    """Say who we are, then echo."""
    async def serve(reader, writer):
        try:
            writer.write(tag.encode() + b"\n")
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
    server = await asyncio.start_server(serve, "0.0.0.0", int(port), backlog=4096)
    await server.serve_forever()


def udp_tag_server(port, tag):
    sock = stream_or_datagram("udp")
    sock.bind(("0.0.0.0", int(port)))
    while True:
        _, peer = sock.recvfrom(65536)
        sock.sendto(tag.encode(), peer)


def tags(host, port, first, count):
    """Which server answers each of our source ports: "PORT TAG" lines."""
    for source in range(int(first), int(first) + int(count)):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", source))
        sock.settimeout(3)
        sock.connect((host, int(port)))
        print(source, sock.recv(100).decode().strip())
        abort_on_close(sock)
        sock.close()


def udp_tag(host, port, turns, pause):
    """Which server answers a connected socket that stays, each turn."""
    sock = stream_or_datagram("udp")
    sock.settimeout(2)
    sock.connect((host, int(port)))
    for turn in range(int(turns)):
        sock.send(b"who")
        print(sock.recv(100).decode(), flush=True)
        time.sleep(float(pause))


def udp_count_answers(host, port, count):
    """How many of count datagrams, sent at once, are answered."""
    sock = stream_or_datagram("udp")
    sock.settimeout(0.5)
    sock.connect((host, int(port)))
    answers = 0
    for _ in range(int(count)):
        sock.send(b"who")
    try:
        while sock.recv(100):
            answers += 1
    except TimeoutError:
        print(answers)


def udp_open(host, port, first, count):
    """Open flows without end: how many of count source ports are answered."""
    answered, refused = 0, 0
    for source in range(int(first), int(first) + int(count)):
        sock = stream_or_datagram("udp")
        sock.bind(("0.0.0.0", source))
        sock.connect((host, int(port)))
        sock.settimeout(0.3)
        try:
            sock.send(b"x")
            answered += sock.recv(9) == b"x"
        except TimeoutError:
            pass
        except OSError:
            refused += 1
    print("answered", answered, "refused", refused)


def udp_spray(host, port, first, count):
    """One datagram from each of many source ports."""
    for source in range(int(first), int(first) + int(count)):
        with stream_or_datagram("udp") as sock:
            sock.bind(("0.0.0.0", source))
            sock.sendto(b"x", (host, int(port)))


def udp_remotes(host, source, first, count):
    """One datagram from one source port to each of many ports."""
    with stream_or_datagram("udp") as sock:
        sock.bind(("0.0.0.0", int(source)))
        for port in range(int(first), int(first) + int(count)):
            try:
                sock.sendto(b"x", (host, port))
            except OSError:
                pass
            time.sleep(0.002)


def udp_ask_again(host, source, *ports):
    """One socket asks several ports, and again after a line on stdin: how many answered."""
    with stream_or_datagram("udp") as sock:
        sock.bind(("0.0.0.0", int(source)))
        sock.settimeout(1)
        for _ in range(2):
            heard = set()
            for port in ports:
                for _ in range(3):
                    try:
                        sock.sendto(b"x", (host, int(port)))
                        heard.add(sock.recvfrom(9)[1][1])
                        break
                    except OSError:
                        pass
            print("answered %d of %d" % (len(heard), len(ports)), flush=True)
            sys.stdin.readline()


def tcp_both(host, first, count, *ports):
    """Each of many source ports has a connection to each of several ports at once; then all are closed."""
    for source in range(int(first), int(first) + int(count)):
        socks = []
        for port in ports:
            sock = stream_or_datagram("tcp")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", source))
            sock.connect((host, int(port)))
            sock.send(b"x")
            sock.recv(1)
            socks.append(sock)
        for sock in socks:
            sock.close()


def syn_flood(host, port, seconds):
    """SYNs from random sources."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    end, count = time.time() + float(seconds), 0
    target = socket.inet_aton(host)
    while time.time() < end:
        for _ in range(100):
            count += 1
            source = struct.pack("!I", 0x0a000000 | count * 40503 & 0xffffff)
            tcp = struct.pack("!HHIIBBHHH", 1024 + count % 60000, int(port), count, 0, 0x50, 2, 1024, 0, 0)
            total = sum(struct.unpack("!10H", tcp)) + sum(struct.unpack("!4H", source + target)) + 6 + 20
            total = (total & 0xffff) + (total >> 16)
            tcp = tcp[:16] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + tcp[18:]
            raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, target) + tcp, (host, 0))
    print("sent", count)


def fragment_flood(host, seconds):
    """Later fragments of datagrams whose first never comes."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    end, count = time.time() + float(seconds), 0
    target = socket.inet_aton(host)
    while time.time() < end:
        for _ in range(100):
            count += 1
            source = struct.pack("!I", 0x0a000000 | count * 40503 & 0xffffff)
            raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 84, count & 0xffff, 0x2000 | 1 + count % 1000, 64, 17, 0,
                                   source, target) + b"x" * 64, (host, 0))
    print("sent", count)


async def load(host, port, seconds, count=40, pause=0.02):
    """Connections that come, talk for a while and go; each must have one server and lose no byte."""
    end, done, failed, seen = time.time() + float(seconds), 0, 0, set()
    patience = 50 if os.environ.get("NSXDP_SLOW") else 5

    async def worker(number):
        nonlocal done, failed
        while time.time() < end:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), patience)
                seen.add((await asyncio.wait_for(reader.readline(), patience)).decode().strip())
                for turn in range(5 + number % 7 * 8):
                    word = b"%d.%d" % (number, turn) * 20
                    writer.write(word)
                    if await asyncio.wait_for(reader.readexactly(len(word)), patience) != word:
                        raise ValueError("other bytes")
                    await asyncio.sleep(float(pause))
                writer.close()
                done += 1
            except (OSError, ValueError, EOFError, asyncio.TimeoutError) as e:
                print("failed:", repr(e), flush=True)
                failed += 1
    await asyncio.gather(*[worker(i) for i in range(int(count))])
    print("done", done, "failed", failed, "servers", *sorted(seen))


def main():
    raise_files()
    result = globals()[sys.argv[1]](*sys.argv[2:])
    if asyncio.iscoroutine(result):
        asyncio.run(result)


main()
