#!/bin/bash
MODE=${1:-tc}; shift
cd "$(dirname "$0")" || exit 1
T_GROUP=zz
. ./lab.sh
lab_up
on host ip -6 addr add 2001:db8:1::1/64 dev ens5 nodad
on client ip -6 addr add 2001:db8:1::10/64 dev eth0 nodad
on client ip -6 addr add 2001:db8:8::1/64 dev eth1 nodad
on inet ip -6 addr add 2001:db8:8::8/64 dev eth0 nodad
on host ip -6 route add default via 2001:db8:1::10
on inet ip -6 route add default via 2001:db8:8::1
on client sysctl -qw net.ipv6.conf.all.forwarding=1
set -x
nsxdp up --dev ens5 --mode $MODE
n1=ns1-$LAB_ID n2=ns2-$LAB_ID
nsxdp ns add $n1
nsxdp ns add $n2
nsxdp map add 6000 $n1:8080
nsxdp map add 6001 $n2:8080
nsxdp map add -p udp 6000 $n1:8080
nsxdp map list
nsxdp export
on host ip -6 route
on ns1 ip -6 addr show dev eth0
on ns1 ip -6 route
on ns1 ping -c1 -W1 fe80::1%eth0 | tail -3
G=$(on host ip -6 -o addr show dev nsx-$n1 2>/dev/null | head -3)
echo "$G"
on ns1 ping -6 -c2 -W1 2001:db8:1::1 | tail -3
on ns1 ping -6 -c2 -W1 2001:db8:1::10 | tail -3
on ns1 ping -6 -c2 -W1 2001:db8:8::8 | tail -3
on_bg ns1 python3 -c '
import http.server,socket
class S(http.server.HTTPServer):
    address_family=socket.AF_INET6
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200);self.end_headers();self.wfile.write(("hello ns1 "+self.client_address[0]+"\n").encode())
S(("::",8080),H).serve_forever()'
sleep 1
on client curl -s -g -m3 'http://[2001:db8:1::1]:6000/'
on inet curl -s -g -m3 'http://[2001:db8:1::1]:6000/'
on client curl -s -m3 'http://203.0.113.1:6000/'
on host curl -s -g -m3 'http://[::1]:6000/'
on host curl -s -g -m3 'http://[2001:db8:1::1]:6000/'
on ns2 curl -s -g -m3 'http://[2001:db8:1::1]:6000/'
on ns1 curl -s -g -m3 'http://[2001:db8:1::1]:6000/'
on ns2 traceroute -6 -n -q1 -w1 2001:db8:8::8
on client ping -6 -c1 -W1 2001:db8:1::1 | tail -2
eval "$EXTRA"
nsxdp stats | tail -30
nsxdp status | tail -20
nsxdp doctor | tail -5
nsxdp down
set +x
