/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs use of kernels newer than Linux 5.15. Each is tried for or looked up in the
 * kernel's types, never told by a version, for distributions bring features back.
 */
#ifndef NSXDP_FEATURE_H
#define NSXDP_FEATURE_H

#include <stdbool.h>
#include <linux/types.h>

enum feature {
	FEATURE_TCX,
	FEATURE_DEFRAG_LINK,
	FEATURE_FIB_SKIP_NEIGH,
	FEATURE_FIB_SRC,
	FEATURE_XDP_SKB,
	FEATURE_NETKIT,
	FEATURE_KERNEL_CONTEXT,
	FEATURE_SET_RETVAL,
	FEATURE_LOOP,
	FEATURE_XDP_LOAD_BYTES,
	FEATURE_PERCPU_ELEM,
	FEATURE_BOUND_SOCKETS,
	FEATURE_SOCKET_PORTS,
	FEATURE_NETKIT_SCRUB,
	FEATURES,	/* nsx_journal.missing has a bit for each: new ones come last */
};

/**
 * struct feature_info - what a feature is called, since which Linux it is there, and what holds
 * where it is missing
 */
struct feature_info {
	const char *name;
	const char *since;
	const char *instead;
};

const struct feature_info *feature_info(enum feature feature);

/* The kernel has it. The answer is kept. */
bool feature_has(enum feature feature);

/* A bit for each that the kernel does not have, where something is less good for that. */
__u32 features_missing(void);

/* The first without which nothing runs that the kernel does not have; FEATURES where it has all. */
enum feature feature_needed(void);

#endif
