#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# How long it takes to make, change and remove many namespaces with a published port each: by the
# recipe of ip and iptables, and by nsxdp, one after the other in one run. Prints a table of ratios.
#
# The files are in memory, as /run is elsewhere: what a disk's file system makes of names that come
# and go is not what is compared.
#
#   bench/fleet.sh [NAMESPACES]		1000, which takes some two minutes
if [ ! "$FLEET_MOUNTS" ]; then
	[ -d /etc/netns ] || { mkdir /etc/netns && trap 'rmdir /etc/netns' EXIT; }
	FLEET_MOUNTS=1 unshare --mount --propagation private bash "$0" "$@"
	exit
fi
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/netns || exit
. "$(dirname "$0")/../tests/harness.sh"
N=${1:-1000}
trap 'exit 130' INT TERM HUP
lab_up
set +e
cd "$LAB_TMP" || exit 1

now() { date +%s%N; }
took() { echo $((($(now) - $1) / 1000)); }	# microseconds since then

# The kernel frees what was removed in the background: wait, up to a minute, for two idle seconds.
settle() {
	local before i idle=0
	for i in $(seq 60); do
		before=$(awk '/^cpu / { print $5 }' /proc/stat)
		sleep 1
		[ $(($(awk '/^cpu / { print $5 }' /proc/stat) - before)) -ge $(($(nproc --all) * 95)) ] || { idle=0; continue; }
		[ $((++idle)) = 2 ] && return
	done
}

recipe_add() { # NUMBER
	local n=r$1-$LAB_ID a=$(($1 / 64)) b=$(($1 % 64 * 4))
	ip netns add "$n"
	ip -n "$n" link set lo up
	ip link add "v$1" type veth peer name "w$1"
	ip link set "w$1" netns "$n"
	ip addr add "192.168.$a.$((b + 1))/30" dev "v$1"
	ip link set "v$1" up
	ip -n "$n" addr add "192.168.$a.$((b + 2))/30" dev "w$1"
	ip -n "$n" link set "w$1" up
	ip -n "$n" route add default via "192.168.$a.$((b + 1))"
	iptables -t nat -A PREROUTING -p tcp --dport $((10000 + $1)) -j DNAT --to-destination "192.168.$a.$((b + 2)):8080"
	iptables -A FORWARD -i "v$1" -j ACCEPT
	iptables -A FORWARD -o "v$1" -j ACCEPT
}
recipe_del() { # NUMBER
	local n=r$1-$LAB_ID a=$(($1 / 64)) b=$(($1 % 64 * 4))
	iptables -t nat -D PREROUTING -p tcp --dport $((10000 + $1)) -j DNAT --to-destination "192.168.$a.$((b + 2)):8080"
	iptables -D FORWARD -i "v$1" -j ACCEPT
	iptables -D FORWARD -o "v$1" -j ACCEPT
	ip link del "v$1"
	ip netns del "$n"
}
recipe_all() { for i in $(seq "$N"); do recipe_add "$i"; done; }
recipe_end() {
	for i in $(seq "$N"); do ip link del "v$i"; ip netns del "r$i-$LAB_ID"; done
	iptables -t nat -F
	iptables -F
}
export -f recipe_add recipe_del recipe_all recipe_end
export N LAB_ID
in_host() { nsenter --net="/run/netns/$(lab_ns host)" bash -c "$*"; }

fleet() { # NAMESPACES PORTS ATTACH: the file
	echo "up --dev ens5 --mode tc --attach $3"
	for i in $(seq "$1"); do
		echo "ns add f$i-$LAB_ID"
		for p in $(seq "$2"); do echo "map add $((1024 + i * $2 + p)) f$i-$LAB_ID:$((8080 + p))"; done
	done
}

line() { # WHAT RECIPE NSXDP (microseconds)
	awk -v what="$1" -v a="$2" -v b="$3" 'BEGIN { printf "| %s | %.1f |\n", what, a / b }'
}

settle
start=$(now); in_host recipe_all; recipe=$(took "$start")
start=$(now); in_host recipe_add $((N + 1)); recipe_one=$(took "$start")
start=$(now); in_host recipe_del $((N + 1)); recipe_one_del=$(took "$start")
start=$(now); in_host recipe_end; recipe_down=$(took "$start")
echo "# the recipe: all $recipe us, one more $recipe_one us, one less $recipe_one_del us, none any more $recipe_down us"

echo "| $N namespaces with a port each; the recipe's time, in nsxdp's | |"
echo "| --- | ---: |"
for attach in block tcx; do
	fleet "$N" 1 $attach > f
	# The programs are loaded first: that is once in a machine's life.
	nsxdp up --dev ens5 --mode tc --attach $attach 2> /dev/null
	settle
	start=$(now); nsxdp apply f; line "all, from one file ($attach)" "$recipe" "$(took "$start")"
	start=$(now); nsxdp apply f; echo "# apply, nothing to do ($attach): $(took "$start") us"
	start=$(now); nsxdp ns add "one-$LAB_ID"; nsxdp map add 9000 "one-$LAB_ID:1"; line "one more ($attach)" "$recipe_one" "$(took "$start")"
	start=$(now); nsxdp map set 9000 "f1-$LAB_ID:1"; echo "# one change: $(took "$start") us"
	start=$(now); nsxdp ns del "one-$LAB_ID" --force; line "one less ($attach)" "$recipe_one_del" "$(took "$start")"
	start=$(now); nsxdp map list > /dev/null; echo "# map list: $(took "$start") us"
	start=$(now); nsxdp down; line "none any more ($attach)" "$recipe_down" "$(took "$start")"
done

fleet 470 32 block > f
nsxdp up --dev ens5 --mode tc --attach block 2> /dev/null
nsxdp apply f
start=$(now); nsxdp ns add "one-$LAB_ID"; nsxdp map add 20000-20031 "one-$LAB_ID:1"
echo "# 470 namespaces with 32 ports each, one more: $(took "$start") us"
nsxdp down

# As hosts of sandboxes do it: make, publish, fetch, remove.
churn=100
nsxdp up --dev ens5 --mode tc --attach block 2> /dev/null
start=$(now)
for i in $(seq $churn); do
	nsxdp ns add "c-$LAB_ID" && nsxdp map add 6000 "c-$LAB_ID:8080"
	nsenter --net="/run/netns/c-$LAB_ID" $PY tcp_echo_server 8080 & server=$!
	until on client bash -c "exec 3<>/dev/tcp/203.0.113.1/6000 && echo x >&3 && head -c1 <&3" > /dev/null 2>&1; do sleep 0.01; done
	kill $server; wait $server 2> /dev/null
	nsxdp ns del "c-$LAB_ID" --force
done 2> /dev/null
echo "# make, publish, fetch and remove, each of $churn: $(($(took "$start") / churn)) us"
nsxdp down
