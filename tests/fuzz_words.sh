#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Mutated command lines through what reads them: so many runs, from words that mean something and a
# fixed seed.
#
#   fuzz_words.sh RUNS
runs=$1
top=$(realpath "$(dirname "$0")/..")
dir=$(mktemp -d /tmp/nsxdp-words.XXXXXX)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$dir/corpus"
number=0
while read -r line; do
	number=$((number + 1))
	tr ' ' '\n' <<< "$line" > "$dir/corpus/$number"
done << 'END'
u --dev ens5 --pool 192.168.0.0/16 --mode xdp-generic --timeout tcp-established=7440
u --dev ens5 --timeout udp=300 --timeout icmp=60 --mode auto
n ns1 --addr 192.168.1.2/24 --datapath xdp --dns 9.9.9.9 --dns 1.1.1.1
n web --nat endpoint-independent --filtering address-dependent --clamp-mss=1200
n web --max-flows 1000 --egress-rate 100mbit
n web --clamp-mss --filtering address-and-port-dependent
m 6000 ns1:8080
m -p udp 20000-29999 ns1:20000
d 6000-6010 -p tcp --drain 60s
m 203.0.113.5:6000 ns1:8080 ns2:8080=2 --affinity client --rate 10000/s --burst 50
s 6000 ns2:8080 --drain 5m --allow 10.0.0.0/8 --allow 192.0.2.1
END
if (cd "$dir" && "$top/build/fuzz_words" -runs="$runs" -seed=1 -max_len=300 -artifact_prefix="$dir/" corpus) > "$dir/log" 2>&1; then
	echo "ok 1 - fuzz, words: $runs command lines"
else
	sed 's/^/# /' "$dir/log" | tail -40
	for f in "$dir"/crash-* "$dir"/leak-* "$dir"/timeout-*; do
		[ -e "$f" ] && echo "# with: $(tr '\n' ' ' < "$f" | cat -v)"
	done
	echo "not ok 1 - fuzz, words"
fi
echo "1..1"
