#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# XDP in the driver of a NIC: LAB_NICS says which two are wired to each other.
#
#   LAB_NICS="NIC NIC" e2e_native.sh [WORD]...
T_GROUP=native
. "$(dirname "$0")/harness.sh"

lab_up
NS1=$(lab_ns ns1)
HOST=203.0.113.1 INET=198.51.100.8

serve() {
	nsxdp ns add "$NS1" --datapath xdp
	nsxdp map add 6000 "$NS1:8080"
	lab_kill
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg inet $PY tcp_echo_server 7
	on_bg inet /usr/bin/python3 -m http.server 80 -d "$LAB_TMP/www"
	lab_listening ns1 8080
	lab_listening inet 80
	lab_listening inet 7
}

works() {
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
}

mkdir "$LAB_TMP/www"
head -c 4M /dev/urandom > "$LAB_TMP/www/big"
on client ethtool -K eth0 tx off > /dev/null

# "auto" takes XDP for a NIC whose driver has it.
t_01_auto_is_xdp_in_the_driver() {
	nsxdp up --dev ens5
	nsxdp status -j | grep -q '"mode": "xdp"'
	on host ip -d link show ens5 | grep -q 'xdp '
	on host ip -d link show ens5 | not grep xdpgeneric
	serve
	works
}

redirected() { on host ethtool -S ens5 | awk '/xdp_redirects/ { n += $2 } END { print n + 0 }'; }

t_02_packets_go_by_xdp() {
	local before
	before=$(redirected)
	on ns1 curl -s --max-time 60 -o "$LAB_TMP/got" http://$INET/big
	cmp "$LAB_TMP/got" "$LAB_TMP/www/big"
	[ $(($(redirected) - before)) -gt 1000 ]
}

t_03_the_link_goes_down_and_up() {
	on host ip link set ens5 down
	sleep 1
	on host ip link set ens5 up
	on host ip route replace default via 203.0.113.10
	eventually 20 works
}

# Large frames: the driver's XDP takes them or refuses them, and "up" says why then and what to do.
t_04_large_frames() {
	nsxdp ns del "$NS1" --force
	nsxdp down
	on host ip link set ens5 mtu 9000
	on client ip link set eth0 mtu 9000
	nsxdp up --dev ens5 --mode xdp
	nsxdp status | grep '^mode' | grep -e 'xdp: as asked for' -e 'tc: .*an MTU of 3498 or less may help'
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	on ns1 ping -c1 -W5 -s 8000 203.0.113.10
	nsxdp ns del "$NS1" --force
	nsxdp down
	on host ip link set ens5 mtu 1500
	on client ip link set eth0 mtu 1500
}

t_90_nothing_is_left() {
	on host ip -d link show ens5 | not grep xdp
	on host ip link show | not grep nsx
}

run_tests "$@"
