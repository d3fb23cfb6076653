#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A tree of Debian packages of another architecture, unpacked but not set up: headers and libraries
# to build with, and what a virtual machine of that architecture runs. This machine's own package
# lists and packages stay as they are.
#
#   tests/sysroot.sh ARCH DIR PACKAGE...     ARCH as in arm64; DIR/root is the tree, DIR/apt.conf what apt needs
# Status 77: the packages cannot be had.
set -eu -o pipefail
arch=$1 dir=$(realpath -m "$2"); shift 2
packages="$*"
[ "$(cat "$dir/ready" 2> /dev/null)" != "$packages" ] || exit 0
rm -rf "$dir/root" "$dir/ready"
mkdir -p "$dir"/{root/usr/{bin,sbin,lib},apt/lists/partial,apt/cache/archives/partial}
: > "$dir/apt/status"
# The last option spares a look at the machine's own addresses.
cat > "$dir/apt.conf" <<-END
	APT::Architecture "$arch";
	APT::Architectures { "$arch"; };
	APT::Install-Recommends "false";
	APT::Sandbox::User "root";
	Dir::State::lists "$dir/apt/lists";
	Dir::State::status "$dir/apt/status";
	Dir::Cache "$dir/apt/cache";
	Acquire::Languages "none";
	Acquire::Connect::AddrConfig "false";
END
export APT_CONFIG=$dir/apt.conf
# Sources of packages for this architecture alone have none of the other.
apt-get -qq update > "$dir/apt/log" 2>&1 || true
# shellcheck disable=SC2086
apt-get -qq --download-only -y install $packages >> "$dir/apt/log" 2>&1 ||
	{ echo "sysroot: cannot get the packages of $arch"; tail -n 3 "$dir/apt/log"; exit 77; } >&2
for d in bin sbin lib; do ln -s usr/$d "$dir/root/$d"; done
for package in "$dir"/apt/cache/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$dir/root"
	rm "$package"
done
mkdir -p "$dir"/root/{proc,sys,dev,run,tmp,root,out}
# What maintainers' scripts would have linked.
ln -sf dash "$dir/root/usr/bin/sh"
ln -sf mawk "$dir/root/usr/bin/awk"
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$dir/root/etc/passwd"
echo "$packages" > "$dir/ready"
