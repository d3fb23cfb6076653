/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offloads of a namespace's end of its link, by ethtool's ioctl in the caller's network namespace.
 */
#ifndef NSXDP_OFFLOAD_H
#define NSXDP_OFFLOAD_H

#include <stdbool.h>

/*
 * Prepare an interface for a host end that runs XDP, or undo that. XDP frames lose what an skb
 * knows of its checksum, so checksums are computed and segments made before they leave (tx checksum
 * and TSO off); frames that XDP sends here are only received by a veth that polls, which GRO makes
 * it do. Where XDP cannot see a tag that is kept beside the frame, tags of 802.1Q are put into it
 * before it leaves; one of 802.1ad, or one that the namespace's root has the device keep again, is
 * lost, and the packet treated as what it is without. Returns 0 or a negative errno.
 */
int offload_set_xdp(const char *ifname, bool on);

/*
 * Let an interface take VLAN tags off the frames that it receives, or not. Returns 1 where that is
 * a change, 0 where it was so before, or a negative errno.
 */
int offload_rxvlan(const char *ifname, bool on);

#endif
