# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lab of e2e_ports.sh and e2e_services.sh: three namespaces with servers, some of whose ports
# are published; MODE is tc or xdp.

lab_up
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2)
HOST=203.0.113.1 INET=198.51.100.8

nsxdp up --dev ens5 --mode "$MODE"
nsxdp ns add "$NS1" --datapath "$MODE"
nsxdp ns add "$NS2" --datapath "$MODE"
# A NIC hands over complete checksums, one frame at a time, and a veth only receives frames when it
# polls.
[ "$MODE" = tc ] || on client ethtool -K eth0 tx off gro on > /dev/null
nsxdp map add 6000 "$NS1:8080"
nsxdp map add 6001 "$NS2:8080"
nsxdp map add -p udp 6000 "$NS1:8080"
for n in ns1 ns2; do
	on_bg $n $PY tcp_echo_server 8080
	on_bg $n $PY udp_echo_server 8080
done
on_bg inet $PY tcp_echo_server 7
on_bg inet $PY udp_echo_server 7
NS3=$(lab_ns ns3)
nsxdp ns add "$NS3" --datapath "$MODE"
for n in ns1 ns2 ns3; do
	on_bg $n $PY tcp_tag_server 9000 $n
	on_bg $n $PY udp_tag_server 9000 $n
done
lab_listening ns1 8080 && lab_listening ns2 8080 && lab_listening inet 7 && lab_listening ns3 9000 && lab_listening ns1 9000
