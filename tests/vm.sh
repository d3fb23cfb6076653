#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run a command in a virtual machine with another kernel and this machine's files: emulated, so
# everything is slow, and nothing that it writes is kept. Its output and status are the command's.
# It has two NICs of virtio-net, wired to each other: with several queues by a bridge in a network
# namespace of the emulator's own, or, with VM_NICS=hub or where there is no /dev/net/tun, with one
# by a hub of the emulator's.
#
#   tests/vm.sh VERSION COMMAND...      VERSION as in 6.12: the newest such kernel that Debian has, as a package
# Status 77: there is none, or it cannot be had.
#
# VM_DISK=FILE in the environment: systemd boots, and runs the command last. What is written is kept
# in FILE, an ext4 image with the directories u and w, for the next boot from it.
#
# VM_ARCH=arm64 in the environment: a machine of that architecture, with the files of
# build/arm64/root (tests/sysroot.sh), this project's tree where it is here, and build/arm64/build
# in the place of its build/.
set -eu
version=$1; shift
top=$(realpath "$(dirname "$0")/..")
arch=${VM_ARCH:-amd64} root=/
if [ "$arch" != amd64 ]; then
	root=$top/build/$arch/root
	[ -e "$root/../ready" ] || { echo "vm: there are no files of $arch: make $arch" >&2; exit 77; }
	export APT_CONFIG=$top/build/$arch/apt.conf
fi
trees=$top/build/kernels
work=$(mktemp -d /tmp/nsxdp-vm.XXXXXX)
qemu=
trap 'kill $qemu 2> /dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# AddrConfig=false: without looking at the machine's own addresses.
apt() { apt-get -qq -o Acquire::Connect::AddrConfig=false -o APT::Sandbox::User=root "$@"; }

find_package() {
	package=$(apt-cache pkgnames "linux-image-$version." | grep -E "^linux-image-[0-9.+a-z-]*-$arch\$" |
		grep -vE 'cloud|rt-|unsigned' | sort -V | tail -1)
	kernel=${package#linux-image-}
	[ "$package" ]
}

fetch() { (cd "$work" && apt download "$package") > /dev/null; }

# The tree of the kernel's package, fetched once. Lists of packages that are old, or missing, are
# fetched again.
tree() {
	mkdir -p "$trees"
	exec 8> "$trees/lock"
	flock 8	# two at once would take the lists of packages from each other
	find_package || { apt update > /dev/null && find_package; } ||
		{ echo "vm: no package of kernel $version" >&2; exit 77; }
	tree=$trees/$kernel
	[ ! -e "$tree/ready" ] || return 0
	rm -rf "$tree"
	mkdir -p "$tree"
	fetch || { apt update > /dev/null && find_package && tree=$trees/$kernel && mkdir -p "$tree" && fetch; } ||
		{ echo "vm: cannot download $package" >&2; exit 77; }
	dpkg-deb -x "$work/$package"_*.deb "$tree"
	[ -d "$tree/lib" ] || ln -s usr/lib "$tree/lib"
	depmod -b "$tree" "$kernel"
	touch "$tree/ready"
}

# The command as the last thing that systemd starts.
service() {
	cat <<-'END'
	[Unit]
	After=multi-user.target
	[Service]
	Type=oneshot
	Environment=NSXDP_SLOW=1
	ExecStart=/bin/bash -c 'bash /out/command > /out/log 2>&1 < /dev/null; echo $? > /out/rc; sync; systemctl poweroff -ff'
	END
}

# A root file system in memory that mounts this machine's, read-only, below one that is written to.
initrd() {
	local n=10 file
	mkdir -p "$work"/i/{bin,m,proc,sys,dev,ro,rw,new,k} "$work/out"
	cp "$root/bin/busybox" "$work/i/bin/"
	for module in virtio_pci overlay 9pnet_virtio 9p ${VM_DISK:+virtio_blk ext4}; do
		modprobe -d "$tree" -S "$kernel" --show-depends $module
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		n=$((n + 1))
		case $file in *.xz) xz -dc "$file" ;; *) cat "$file" ;; esac > "$work/i/m/$n.ko"
	done
	cat > "$work/i/init" <<-'END'
	#!/bin/busybox sh
	b=/bin/busybox o=trans=virtio,version=9p2000.L,msize=262144
	$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
	for f in /m/*; do $b insmod $f; done
	$b mount -t 9p -o ro,cache=loose,$o root /ro; $b mount -t 9p -o ro,cache=loose,$o kern /k
	if [ -e /boots ]; then $b mount -t ext4 /dev/vda /rw; else
		$b mount -t tmpfs -o size=70% t /rw; $b mkdir /rw/u /rw/w
	fi
	$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/u,workdir=/rw/w o /new
	$b mkdir -p /new/out; $b mount -t 9p -o rw,$o out /new/out
	top=/new$($b cat /top)
	if [ -e /arch ]; then
		$b mkdir -p $top; $b mount -t 9p -o ro,cache=loose,$o tree $top
		$b mount --bind $top/build/$($b cat /arch)/build $top/build
	fi
	# What comes and goes on this machine meanwhile is no part of the other.
	if [ ! -e /boots ]; then
		$b mkdir /e; $b mount -t tmpfs e /e; $b cp -a /new/etc/. /e; $b mount --move /e /new/etc
	fi
	$b rm -rf /new/etc/netns
	$b mkdir /keep; $b mount -o rbind $top /keep; $b mount -t tmpfs t /new/tmp; $b chmod 1777 /new/tmp
	$b mkdir -p $top; $b mount --move /keep $top
	m=/new/usr/lib/modules
	$b mkdir -p $m; $b mount -t tmpfs m $m; $b mkdir $m/$($b uname -r)
	$b mount --bind /k/lib/modules/$($b uname -r) $m/$($b uname -r)
	for d in proc sys dev; do $b mount --move /$d /new/$d; done
	$b mount -t tmpfs r /new/run
	if [ -e /boots ]; then
		u=/new/run/systemd/system
		$b mkdir -p $u/graphical.target.wants
		$b cp /boots $u/vm-command.service
		$b ln -s ../vm-command.service $u/graphical.target.wants/
		exec $b switch_root /new /sbin/init
	fi
	$b ln -s /proc/self/fd /new/dev/fd
	$b mkdir -p /new/dev/pts /new/dev/shm; $b mount -t devpts x /new/dev/pts
	$b mount -t bpf b /new/sys/fs/bpf; $b mount -t cgroup2 c /new/sys/fs/cgroup
	exec $b chroot /new /bin/bash -c 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NSXDP_SLOW=1
		ulimit -n 1048576; ip link set lo up; bash /out/command > /out/log 2>&1 < /dev/null; echo $? > /out/rc; sync
		echo o > /proc/sysrq-trigger; sleep 9'
	END
	chmod +x "$work/i/init"
	echo "$top" > "$work/i/top"
	[ -z "${VM_DISK:-}" ] || service > "$work/i/boots"
	[ "$root" = / ] || echo "$arch" > "$work/i/arch"
	(cd "$work/i" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"
}

# Two NICs, wired to each other, and how to run the emulator that has them.
wire() {
	if [ "${VM_NICS:-}" = hub ] || [ ! -c /dev/net/tun ]; then
		nic() { echo "-netdev hubport,id=$1,hubid=0 -device virtio-net-pci,netdev=$1,mac=$2"; }
		with_wire() { exec "$@"; }
		return
	fi
	nic() {
		echo "-netdev tap,id=$1,ifname=$1,script=no,downscript=no,queues=4" \
			"-device virtio-net-pci,netdev=$1,mac=$2,mq=on,vectors=10"
	}
	with_wire() {
		exec unshare --net bash -ec 'ip link add wire type bridge mcast_snooping 0
			ip link set wire mtu 9000 addrgenmode none up
			for n in n0 n1; do
				ip tuntap add $n mode tap multi_queue
				ip link set $n mtu 9000 addrgenmode none master wire up
			done
			exec "$@"' - "$@"
	}
}

share() { echo "-virtfs local,path=$1,mount_tag=$2,security_model=none,multidevs=remap,id=$2$3"; }

case $arch in
amd64) machine="qemu-system-x86_64 -cpu max" console=ttyS0 ;;
arm64) machine="qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on" console=ttyAMA0 ;;
esac
tree
exec 8>&-
initrd
wire
{ echo "touch /out/began"; printf 'cd %q &&' "$PWD"; printf ' %q' "$@"; echo; } > "$work/out/command"
touch "$work/out/log"
# shellcheck disable=SC2046,SC2086
boot() {
	with_wire timeout "${VM_TIMEOUT:-600}" $machine -accel tcg,thread=multi -smp 2 -m "${VM_MEMORY:-4096}" \
		-nodefaults -display none -monitor none -no-reboot -serial "file:$work/console" \
		-kernel "$tree/boot/vmlinuz-$kernel" -initrd "$work/initrd" \
		-append "console=$console panic=-1 loglevel=4 mitigations=off net.ifnames=0${VM_DISK:+ systemd.unit=graphical.target}" \
		$(nic n0 02:00:00:00:00:01) $(nic n1 02:00:00:00:00:02) \
		$(share "$root" root ,readonly=on) \
		${VM_DISK:+-drive file=$VM_DISK,if=virtio,format=raw} \
		$([ "$root" = / ] || share "$top" tree ,readonly=on) $(share "$tree" kern ,readonly=on) \
		$(share "$work/out" out "") > "$work/qemu" 2>&1
}
# A kernel that patches its code while another emulated processor runs it may die as it boots, where
# none of this project has run yet.
for _ in 1 2 3; do
	boot &
	qemu=$!
	tail -n +1 -f --pid=$qemu "$work/out/log" &
	wait $qemu || true
	wait || true
	[ ! -e "$work/out/began" ] || break
done
[ -s "$work/out/rc" ] || { echo "vm: it did not come to its end"; tail -n 30 "$work/console" "$work/qemu"; exit 99; }
exit "$(cat "$work/out/rc")"
