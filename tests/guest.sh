#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What runs in a virtual machine with another kernel: what that kernel is, and tests. Lines that
# begin with "@" are for tests/kernels.py.
#
#   tests/guest.sh [WORD]...     as tests/run; the word "demo" is the demo
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C

echo "@kernel $(uname -r)"
echo "@features $(build/nsxdp -j features | tr -d '\n')"
build/verifier build/nsxdp_{tc,xdp,cmd,sock}.bpf.o | sed 's/^/@verifier /'

# How long the first "up" takes, in a network namespace of its own.
up_time() {
	local before after
	ip netns add up-time && ip -n up-time link add ens5 type veth peer name peer &&
		ip -n up-time addr add 203.0.113.1/24 dev ens5 && ip -n up-time link set ens5 up || return 1
	before=$(date +%s%N)
	nsenter --net=/run/netns/up-time build/nsxdp up --dev ens5 > /dev/null 2>&1 || return 1
	after=$(date +%s%N)
	nsenter --net=/run/netns/up-time build/nsxdp down
	ip netns del up-time
	echo "@up $(((after - before) / 1000000))"
}
up_time || echo "not ok - up in a network namespace of its own"

# The two NICs, under names that no lab has for its own.
modprobe virtio_net
export TEST_NICS="nic1 nic2"
for nic in $TEST_NICS; do
	dev=$(ip -o link | sed -n "s/^[0-9]*: \([^:@]*\)[:@].*02:00:00:00:00:0${nic#nic} .*/\1/p")
	ip link set "$dev" name "$nic" || TEST_NICS=
done

# Tests bound commands by the time that they take on real hardware: four times that, here.
mkdir /run/slow
cat > /run/slow/timeout <<'END'
#!/bin/bash
exec /usr/bin/timeout "$(awk -v n="$1" 'BEGIN { print 4 * n }')" "${@:2}"
END
chmod +x /run/slow/timeout
PATH=/run/slow:$PATH

words=()
for word in "$@"; do
	if [ "$word" = demo ]; then
		tests/demo.sh > /tmp/demo.log 2>&1 && echo "@demo yes" || { echo "@demo no"; cat /tmp/demo.log; }
	else
		words+=("$word")
	fi
done
[ ${#words[@]} = 0 ] || tests/run "${words[@]}"
