/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reassembly where the kernel has no BPF netfilter links (before 6.6): nftables' tproxy statement
 * makes the kernel reassemble in the network namespace that has a rule with it, before anything
 * else sees a packet, and without connection tracking. The rule is in a chain that has no hook, so
 * no packet ever meets it.
 */
#ifndef NSXDP_DEFRAG_RULE_H
#define NSXDP_DEFRAG_RULE_H

#include "nsxdp.h"

/*
 * Add the rule to the caller's network namespace, in a table of its own. It stays until the
 * namespace goes. Returns 0 or a negative errno: -ENOENT or -EOPNOTSUPP where the kernel has no
 * nftables, or no tproxy in it.
 */
int defrag_rule_add(enum nsx_family family);

#endif
