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

#include "offload.h"

int offload_set_xdp(const char *ifname, bool on)
{
	const struct ethtool_value settings[] = {
		{ ETHTOOL_SGRO, on }, { ETHTOOL_STSO, !on }, { ETHTOOL_STXCSUM, !on },
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && !err; i++) {
		/* On the way back checksums come first: segmentation needs them. */
		struct ethtool_value value = settings[on ? i : 2 - i];
		struct ifreq ifr = { .ifr_data = (void *)&value };

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
		if (ioctl(fd, SIOCETHTOOL, &ifr))
			err = -errno;
	}
	close(fd);
	return err;
}

int offload_rxvlan(const char *ifname, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq ifr = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		ret = -errno;
	if (!ret && !(value.data & ETH_FLAG_RXVLAN) == on) {
		value.cmd = ETHTOOL_SFLAGS;
		value.data ^= ETH_FLAG_RXVLAN;
		ret = ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 1;
	}
	close(fd);
	return ret;
}
