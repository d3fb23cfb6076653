#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job, shown: two servers on one port in two namespaces, reached from another machine.
# Everything happens between network namespaces that this script makes and removes.
set -eE
[ "$(id -u)" = 0 ] || { echo "the demo makes network namespaces and loads BPF programs: run it as root"; exit 1; }
. "$(dirname "$0")/lab.sh"
trap 'echo "DEMO FAILED at line $LINENO: $BASH_COMMAND" >&2' ERR

HOST=203.0.113.1 INET=198.51.100.8 HOST6=2001:db8:1::1 INET6=2001:db8:8::8
bold=$(tput bold 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true)
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Show a command as a user would type it, then run it. Namespaces have the lab's suffix behind the
# scenes.
shown() { # MACHINE WORDS...
	local where=$1; shift
	printf '  %-6s # %s\n' "$where" "$(echo "$*" | sed "s/-$LAB_ID//g; s#/usr/bin/##; s# > /dev/null##")"
	if [ "$1" = nsxdp ]; then shift; nsxdp "$@"; else on "$where" "$@"; fi |
		sed "s/-$LAB_ID /${LAB_ID//?/ }  /g; s/-$LAB_ID//g; s/^/           /"
	return "${PIPESTATUS[0]}"
}

same() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'" >&2; return 1; }; }

NS1=$(lab_ns ns1) NS2=$(lab_ns ns2)
start=$SECONDS
step "A lab: inet ($INET) -- client (203.0.113.10) -- host ($HOST, uplink ens5)"
lab_up
lab_ipv6
on host ip -o link | sed 's/ qdisc.*//' | sort > "$LAB_TMP/links"
namespaces() { ls /run/netns | grep -e "-$LAB_ID\$" | sort; }
namespaces > "$LAB_TMP/netns"

step "1. The whole set-up: five commands"
shown host nsxdp up --dev ens5
shown host nsxdp ns add "$NS1"
shown host nsxdp ns add "$NS2"
shown host nsxdp map add 6000 "$NS1:8080"
shown host nsxdp map add 6001 "$NS2:8080"

step "2. Two Flask servers, both on port 8080"
for n in 1 2; do
	[ $n = 1 ] && words='Hello from Flask!' || words='Hello from the other Flask!'
	[ $n = 1 ] && at=0.0.0.0 || at=::
	cat > "$LAB_TMP/server$n.py" <<PY
from flask import Flask
app = Flask(__name__)

@app.route('/')
def hello_world():
    return '$words\n'

app.run(host='$at', port=8080)
PY
	nsenter --net="/run/netns/$(lab_ns ns$n)" /usr/bin/python3 "$LAB_TMP/server$n.py" > "$LAB_TMP/log$n" 2>&1 &
	echo $! >> "$LAB_TMP/pids"
	echo "  ns$n    # python3 server$n.py"
done
lab_listening ns1 8080
lab_listening ns2 8080

step "3. Ping between host and namespace, both ways"
shown host ping -q -c 2 -i 0.2 -W 2 192.168.0.2
shown ns1 ping -q -c 2 -i 0.2 -W 2 192.168.0.1

step "4. From the namespace to the world outside, masqueraded"
echo "outside" > "$LAB_TMP/index.html"
on_bg inet /usr/bin/python3 -m http.server 80 -b :: -d "$LAB_TMP"
lab_listening inet 80
shown ns1 ping -q -c 2 -i 0.2 -W 2 $INET
shown ns1 curl -sS -m 5 http://$INET/index.html
same "$(on ns2 curl -sS -m 5 http://$INET/index.html)" outside

step "5. From another machine: one host, two servers"
shown client curl -sS -m 5 http://$HOST:6000/
shown client curl -sS -m 5 http://$HOST:6001/
same "$(on client curl -sS -m 5 http://$HOST:6000/)" 'Hello from Flask!'
same "$(on client curl -sS -m 5 http://$HOST:6001/)" 'Hello from the other Flask!'

step "6. The servers' logs have the client's real address"
grep GET "$LAB_TMP/log1" "$LAB_TMP/log2" | sed 's/.*log\(.\):/  ns\1    : /'
grep -q '^203.0.113.10 ' "$LAB_TMP/log1"
grep -q '203.0.113.10 ' "$LAB_TMP/log2"

step "7. The same over IPv6: the second server listens at all addresses of both families"
shown client curl -6 -sS -m 5 "http://[$HOST6]:6001/"
same "$(on client curl -6 -gsS -m 5 "http://[$HOST6]:6001/")" 'Hello from the other Flask!'
grep -q '^2001:db8:1::10 ' "$LAB_TMP/log2"
grep '2001:db8:1::10' "$LAB_TMP/log2" | tail -1 | sed 's/^/  ns2    : /'
shown ns1 curl -6 -sS -m 5 "http://[$INET6]/index.html"
same "$(on ns1 curl -6 -gsS -m 5 "http://[$INET6]/index.html")" outside

step "8. Nothing is forwarded that was not asked for"
if on ns1 curl -sS -m 1 http://192.168.0.6:8080/ 2> "$LAB_TMP/isolated"; then
	echo "ns1 reached ns2's private address" >&2
	false
fi
echo "  ns1    # curl http://192.168.0.6:8080/     (ns2's private address)"
sed 's/^/           /' "$LAB_TMP/isolated"
same "$(on host cat /proc/sys/net/ipv4/ip_forward)" 0
shown host cat /proc/sys/net/ipv4/ip_forward
same "$(on host cat /proc/sys/net/ipv6/conf/all/forwarding)" 0

step "9. What is there"
shown host nsxdp map list
shown host nsxdp status

step "10. The same by hand, as in the article"
cat <<'SEED'
   ip netns add netns1                                           ip netns add netns2
   ip netns exec netns1 ip link set dev lo up                    ip netns exec netns2 ip link set dev lo up
   ip link add veth0 type veth peer name veth1                   ip link add veth2 type veth peer name veth3
   ip link set veth1 netns netns1                                ip link set veth3 netns netns2
   ip addr add 192.168.0.1/24 dev veth0                          ip addr add 192.168.1.1/24 dev veth2
   ip link set dev veth0 up                                      ip link set dev veth2 up
   ip netns exec netns1 ip addr add 192.168.0.2/24 dev veth1     ip netns exec netns2 ip addr add 192.168.1.2/24 dev veth3
   ip netns exec netns1 ip link set dev veth1 up                 ip netns exec netns2 ip link set dev veth3 up
   ip netns exec netns1 ip route add default via 192.168.0.1     ip netns exec netns2 ip route add default via 192.168.1.1
   iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o ens5 -j MASQUERADE       ... the same for 192.168.1.0/24
   iptables -A FORWARD -i ens5 -o veth0 -j ACCEPT                               ... for veth2
   iptables -A FORWARD -o ens5 -i veth0 -j ACCEPT                               ... for veth2
   iptables -t nat -A PREROUTING -p tcp -i ens5 --dport 6000 -j DNAT --to 192.168.0.2:8080      ... 6001
   iptables -A FORWARD -p tcp -d 192.168.0.2 --dport 8080 -m state --state NEW,ESTABLISHED,RELATED -j ACCEPT   ... twice
   echo 1 > /proc/sys/net/ipv4/ip_forward; iptables -P FORWARD DROP             for the whole machine
   30 commands, two global settings, nothing after a reboot; with nsxdp 5 and none.
SEED

step "11. Take it away: nothing is left"
lab_kill
pins=$(nsxdp status -j | sed -n 's/.*"pins": "\([^"]*\)".*/\1/p')
[ -d "$pins" ]
shown host nsxdp down
for _ in $(seq 50); do
	on host ip -o link | sed 's/ qdisc.*//' | sort | diff "$LAB_TMP/links" - > "$LAB_TMP/left" && break
	sleep 0.1
done
cat "$LAB_TMP/left"
[ ! -s "$LAB_TMP/left" ]
namespaces | diff "$LAB_TMP/netns" -
[ ! -e "$pins" ]
[ ! -e "/etc/netns/$NS1" ]
echo "  no interface, namespace, pin or file"

printf '\nDemo done in %d s: every step held.\n' $((SECONDS - start))
