#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One competitor in a lab of its own: sets it up, prints what the loop must know, keeps it until
# stdin closes.
#
#   rival.sh NAME PORTS NAMESPACES
#
# NAME: iptables (the seed's recipe), nftables (dnat to a map), routing (no NAT at all), bare-tc and
# bare-xdp (redirects without look-ups), nsxdp-tc, nsxdp-xdp. PORTS are published, NAMESPACES exist;
# the loop uses the first of each, which stands last in a list of rules.
set -eE
name=$1 ports=${2:-1} namespaces=${3:-1}
. "$(dirname "$0")/../tests/lab.sh"
LOOP=$(dirname "$0")/../build/loop
trap 'echo "rival $name: failed at line $LINENO: $BASH_COMMAND" >&2' ERR
lab_up
lab_ipv6
NS1=$(lab_ns ns1)

# The seed's steps for a namespace, but for the rules.
by_hand() {
	ip netns add "$NS1"
	on host ip link add veth0 type veth peer name eth0 netns "$NS1"
	on host ip addr add 192.168.0.1/24 dev veth0
	on host ip link set veth0 up
	on ns1 ip link set lo up
	on ns1 ip addr add 192.168.0.2/24 dev eth0
	on ns1 ip link set eth0 up
	on ns1 ip route add default via 192.168.0.1
	on host ip addr add fd00:8::1/64 dev veth0 nodad
	on ns1 ip addr add fd00:8::2/64 dev eth0 nodad
	on ns1 ip -6 route add default via fd00:8::1
	local i
	for i in $(seq 2 "$namespaces"); do
		echo "link add v$i type veth peer name w$i"
		echo "addr add 10.$((i / 256)).$((i % 256)).1/30 dev v$i"
		echo "link set v$i up"
	done | on host ip -batch -
}

# Netfilter must not refuse what the loop brings: tables as large as they get by hand on such hosts.
tune() { on host sysctl -qw net.netfilter.nf_conntrack_max=4194304 2> /dev/null || true; }

case $name in
iptables)
	by_hand
	on host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	for t in iptables ip6tables; do
		on host $t -P FORWARD DROP
		on host $t -A FORWARD -i ens5 -o veth0 -j ACCEPT
		on host $t -A FORWARD -o ens5 -i veth0 -j ACCEPT
	done
	on host ip6tables -t nat -A POSTROUTING -s fd00:8::/64 -o ens5 -j MASQUERADE
	for p in tcp udp; do
		on host ip6tables -t nat -A PREROUTING -p $p -i ens5 --dport 6000 -j DNAT --to-destination '[fd00:8::2]:8080'
	done
	{
		echo '*nat'
		echo '-A POSTROUTING -s 192.168.0.0/24 -o ens5 -j MASQUERADE'
		for i in $(seq 2 "$ports"); do echo "-A PREROUTING -p udp -i ens5 --dport $((20000 + i)) -j DNAT --to-destination 192.168.0.2:$((20000 + i))"; done
		for p in tcp udp; do echo "-A PREROUTING -p $p -i ens5 --dport 6000 -j DNAT --to-destination 192.168.0.2:8080"; done
		echo COMMIT
	} | on host iptables-restore -n
	for p in tcp udp; do
		on host iptables -A FORWARD -p $p -d 192.168.0.2 --dport 8080 -m state --state NEW,ESTABLISHED,RELATED -j ACCEPT
	done
	tune
	;;
nftables)
	by_hand
	on host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	{
		echo 'table ip t {
			map ports { type inet_proto . inet_service : ipv4_addr . inet_service; elements = {
				tcp . 6000 : 192.168.0.2 . 8080, udp . 6000 : 192.168.0.2 . 8080'
		for i in $(seq 2 "$ports"); do echo ", udp . $((20000 + i)) : 192.168.0.2 . $((20000 + i))"; done
		echo '	} }
			chain to_ns { type nat hook prerouting priority dstnat; iifname "ens5" dnat to meta l4proto . th dport map @ports; }
			chain from_ns { type nat hook postrouting priority srcnat; oifname "ens5" ip saddr 192.168.0.0/24 masquerade; }
			chain passing { type filter hook forward priority filter; policy drop;
				ct state established,related accept; iifname "veth0" accept; ct status dnat accept; }
		}
		table ip6 t {
			map ports { type inet_proto . inet_service : ipv6_addr . inet_service; elements = {
				tcp . 6000 : fd00:8::2 . 8080, udp . 6000 : fd00:8::2 . 8080 } }
			chain to_ns { type nat hook prerouting priority dstnat; iifname "ens5" dnat to meta l4proto . th dport map @ports; }
			chain from_ns { type nat hook postrouting priority srcnat; oifname "ens5" ip6 saddr fd00:8::/64 masquerade; }
			chain passing { type filter hook forward priority filter; policy drop;
				ct state established,related accept; iifname "veth0" accept; ct status dnat accept; }
		}'
	} | on host nft -f -
	tune
	;;
routing)
	by_hand
	on host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	;;
bare-tc)
	by_hand
	on_bg host "$LOOP" --bare "$(lab_ns host)" ens5 veth0 --peer
	on_bg host "$LOOP" --bare "$(lab_ns host)" veth0 ens5
	;;
bare-xdp)
	by_hand
	on_bg host "$LOOP" --bare "$(lab_ns host)" ens5 veth0 xdp
	on_bg host "$LOOP" --bare "$(lab_ns host)" veth0 ens5 xdp
	;;
nsxdp-tc | nsxdp-xdp)
	mode=${name#nsxdp-}
	# Room for what the loops bring, as netfilter gets it below.
	nsxdp up --dev ens5 $(nsxdp up --help | grep -q -- --flows && echo --flows 4194304) $([ "$mode" = tc ] || echo --mode xdp) 2> /dev/null
	nsxdp ns add "$NS1" --dns 192.0.2.53 $([ "$mode" = tc ] || echo --datapath xdp)
	for i in $(seq 2 "$namespaces"); do nsxdp ns add "$(lab_ns "x$i")" --dns 192.0.2.53; done
	[ "$ports" = 1 ] || nsxdp map add -p udp "20002-$((20000 + ports))" "$NS1:20002"
	for p in tcp udp; do nsxdp map add -p $p 6000 "$NS1:8080"; done
	;;
*)
	echo "rival.sh: who is '$name'?" >&2
	exit 2
	;;
esac

# XDP gets complete frames from a NIC, and its redirects only arrive at a veth that polls.
case $name in *-xdp) on client ethtool -K eth0 tx off gro on > /dev/null ;; esac

# Neighbours are known before the loop starts.
on client ip route replace 192.168.0.0/16 via 203.0.113.1
on ns1 ping -q -c1 -W2 192.168.0.1 > /dev/null || true
on client ping -q -c1 -W2 203.0.113.1 > /dev/null || true
on client ping -q -c1 -W2 2001:db8:1::1 > /dev/null 2>&1 || true
on client ip -6 route replace fd00::/8 via 2001:db8:1::1
inside6=$(on ns1 ip -6 -o addr show dev eth0 scope global | sed -n 's/.*inet6 \([^/]*\).*/\1/p' | head -1)
on ns1 ping -q -c1 -W2 2001:db8:1::1 > /dev/null 2>&1 || true
veth=$(on host ip -o link show | grep -oE '(veth0|nsx-ns1-[0-9b.]+|nsx\.[0-9]+)' | head -1)
mac() { on "$1" ip -o link show "$2" | grep -oE 'link/ether [0-9a-f:]+' | cut -d' ' -f2; }
target=203.0.113.1:6000
target6='[2001:db8:1::1]:6000'
[ "$name" = routing ] && target=192.168.0.2:8080 target6="[$inside6]:8080"
printf '{"name": "%s", "client": "%s", "host": "%s", "inet": "%s", "ns": "%s", "uplink_mac": "%s", "gateway_mac": "%s", "veth": "%s", "target": "%s", "target6": "%s", "inside6": "%s"}\n' \
	"$name" "$(lab_ns client)" "$(lab_ns host)" "$(lab_ns inet)" "$NS1" "$(mac host ens5)" "$(mac host "$veth")" "$veth" "$target" "$target6" "$inside6"
cat > /dev/null
