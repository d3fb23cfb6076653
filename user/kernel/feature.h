/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the datapath uses of kernels newer than the oldest that it runs on, Linux 6.1. Each is tried
 * for or looked up in the kernel's types, never told by a version, for distributions bring features
 * back.
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
	FEATURES,
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

/* A bit for each that the kernel does not have, except those that are used on request only. */
__u32 features_missing(void);

#endif
