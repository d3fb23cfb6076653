// SPDX-License-Identifier: GPL-2.0-only
/* Offloads for XDP. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/feature.h"
#include "kernel/offload.h"

/*
 * Set or clear flags of an interface; returns 1 where that is a change, 0 where it was so, or a
 * negative errno.
 */
static int set_flag(const char *ifname, __u32 flag, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq ifr = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		ret = -errno;
	if (!ret && !(value.data & flag) == on) {
		value.cmd = ETHTOOL_SFLAGS;
		value.data ^= flag;
		ret = ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 1;
	}
	close(fd);
	return ret;
}

int offload_set_xdp(const char *ifname, bool on)
{
	const struct {
		__u32 get, set;
		bool on;
	} settings[] = {
		{ ETHTOOL_GGRO, ETHTOOL_SGRO, on },
		{ ETHTOOL_GTSO, ETHTOOL_STSO, !on },
		{ ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, !on },
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !err; i++) {
		/* On the way back checksums come first: segmentation needs them. */
		size_t n = on ? i : 2 - i;
		struct ethtool_value value = { .cmd = settings[n].get };
		struct ifreq ifr = { .ifr_data = (void *)&value };

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
		if (ioctl(fd, SIOCETHTOOL, &ifr) == 0 && !value.data == !settings[n].on)
			continue;
		value = (struct ethtool_value){ settings[n].set, settings[n].on };
		if (ioctl(fd, SIOCETHTOOL, &ifr))
			err = -errno;
	}
	close(fd);
	if (!err && !feature_has(FEATURE_XDP_SKB))
		err = set_flag(ifname, ETH_FLAG_TXVLAN, !on);
	return err < 0 ? err : 0;
}

int offload_rxvlan(const char *ifname, bool on)
{
	return set_flag(ifname, ETH_FLAG_RXVLAN, on);
}
