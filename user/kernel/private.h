/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instance's private network namespace, in which the kernel reassembles and cuts for the
 * datapath (bpf/private.h). It has no name and no process: a pinned BPF link holds it, or before
 * Linux 6.6 a mount on a pin. All that the host sees of it is nsx.fib, the near end of its only
 * link, which is also the device that bpf_fib_lookup() takes for the one where packets come in: the
 * kernel answers only where that device forwards, so that no other device has to.
 */
#ifndef NSXDP_PRIVATE_H
#define NSXDP_PRIVATE_H

#include <stdbool.h>

#include "fail.h"
#include "nsxdp.h"
#include "kernel/pin.h"

/*
 * Make it, or what is missing of it, and attach the datapath to it; fills conf->asker and
 * conf->defrag. Where the kernel reassembles neither for a BPF link (6.6) nor for nftables' tproxy,
 * there is only the device. Returns 0 or a negative errno, with the reason.
 */
int private_make(const struct pin_dir *d, struct nsx_conf *conf, struct fail *f);

/* Set back what a command that was killed has left set for the host's new devices. */
void private_settle(const struct pin_dir *d);

/* The kernel reassembles for a BPF netfilter link. */
bool private_has_link(void);

/* What holds it is a pin, which goes with the others. */
void private_remove(void);

/*
 * Set again what others have reset: somebody's "ip_forward=0" takes forwarding from every device,
 * and the datapath gets no answers from then on; while the link is down nothing is reassembled or
 * cut.
 */
void private_mend(const struct pin_dir *d, const struct nsx_conf *conf);

/* The device is there and forwards. */
bool private_works(const struct nsx_conf *conf);

/* The kernel can, and the link is there and up. */
bool private_reassembles(const struct pin_dir *d, const struct nsx_conf *conf);

#endif
