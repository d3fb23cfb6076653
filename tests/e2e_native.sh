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

serve() { # [OPTION]...
	nsxdp ns add "$NS1" "$@"
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
	serve --datapath xdp
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

queues() { on host ethtool -l ens5 | awk '/^Combined/ { n = $2 } END { print n + 0 }'; }

is_native() {
	on host ip -d link show ens5 | grep 'xdp ' | not grep xdpgeneric
	nsxdp status -j | grep -q '"mode": "xdp"'
}

# Connections go on while the NIC gets another count of queues.
changes_queues() {
	on ns1 $PY tcp_many $INET 7 100 4 > "$LAB_TMP/many" &
	eventually 30 grep -q open "$LAB_TMP/many"
	on host ethtool -L ens5 combined 1 && [ "$(queues)" = 1 ] || echo "the driver refuses"
	wait $!
	grep -q "done 100" "$LAB_TMP/many"
	eventually 20 works
	on host ethtool -L ens5 combined 2 && [ "$(queues)" = 2 ] || echo "the driver refuses"
	eventually 20 works
}

t_05_several_queues_and_another_count_of_them() {
	[ "$(queues)" -gt 1 ] || skip "this NIC has one queue"
	nsxdp up --dev ens5 --mode xdp
	serve --datapath xdp
	works
	on client $PY tcp_many $HOST 6000 100 1
	on host ethtool -S ens5
	[ "$(on host ethtool -S ens5 | awk '/^ *rx[_a-z]*[0-9][^:]*xdp_redirects/ && $2 > 0' | wc -l)" -gt 1 ]
	changes_queues > "$LAB_TMP/said"
	grep refuses "$LAB_TMP/said"	# virtio_net refuses while any XDP program is attached
	is_native
	nsxdp ns del "$NS1" --force
	nsxdp down
	nsxdp up --dev ens5 --mode tc
	serve
	changes_queues > "$LAB_TMP/said"
	not grep refuses "$LAB_TMP/said"
}

# The driver is bound to the NIC again: the device is another one, which the kernel names and places
# as at boot. Without XDP: in Linux 6.12 virtio_net never lets go of a device that goes while any
# XDP program is attached.
t_06_driver_is_bound_again() {
	local bus driver mac dev
	nsxdp ns del "$NS1" --force
	nsxdp down
	nsxdp up --dev ens5 --mode tc
	bus=$(on host ethtool -i ens5 | sed -n 's/^bus-info: //p')
	mac=$(on host ip -o link show ens5 | grep -o "link/ether [^ ]*")
	mac=${mac#link/ether }
	driver=$(basename "$(readlink "/sys/bus/pci/devices/$bus/driver")")
	echo "$bus" > "/sys/bus/pci/drivers/$driver/unbind"
	nsxdp status | grep -q '^uplink  *ens5 (gone)'
	echo "$bus" > "/sys/bus/pci/drivers/$driver/bind"
	dev=$(ip -o link | sed -n "s/^[0-9]*: \([^:@]*\)[:@].*$mac .*/\1/p")
	ip link set "$dev" netns "$(lab_ns host)" name ens5
	on host ip addr add $HOST/24 dev ens5
	on host ip link set ens5 up
	on host ip route add default via 203.0.113.10
	refuse 0 "ens5 is another device now" nsxdp up --dev ens5
	serve
	eventually 20 works
	nsxdp ns del "$NS1" --force
	nsxdp down
}

# A NIC that is no uplink any more is as it was.
tag_offload() { on host ethtool -k "$1" | sed -n 's/^rx-vlan-offload: \([a-z]*\).*/\1/p'; }

t_07_another_device_takes_its_place() {
	local before
	before=$(tag_offload ens5)	# virtio_net has none, which nothing changes
	nsxdp up --dev ens5 --mode xdp
	is_native
	[ "$(tag_offload ens5)" = off ]
	on host ip link add other type veth peer name other.peer
	on host ip link set other up
	on host ip addr add 192.0.2.1/24 dev other
	nsxdp up --dev other --replace-dev ens5=other
	on host ip -d link show ens5 | not grep xdp
	[ "$(tag_offload ens5)" = "$before" ]
	nsxdp down
	on host ip link del other
}

t_90_nothing_is_left() {
	on host ip -d link show ens5 | not grep xdp
	on host ip link show | not grep nsx
}

run_tests "$@"
