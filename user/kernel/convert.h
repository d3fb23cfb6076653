/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of one build's layout, written in another's: see layout.h. */
#ifndef NSXDP_CONVERT_H
#define NSXDP_CONVERT_H

#include <bpf/btf.h>

#include "fail.h"
#include "nsxdp.h"
#include "kernel/pin.h"

/** struct conversion - from the maps that are pinned in one directory to those in another */
struct conversion {
	const struct pin_dir *from, *to;
	struct btf *from_btf, *to_btf;	/* of nsx_ports: its object has every struct */
};

/* Both directories have a pinned nsx_ports, whose types are looked at. */
int conversion_open(struct conversion *c, const struct pin_dir *from, const struct pin_dir *to,
		    struct fail *f);
void conversion_close(struct conversion *c);

/* The only value of a map that runs; ret has the size of its counterpart's. */
int conversion_read(const struct conversion *c, const char *map, void *ret, struct fail *f);

/* Write nsx_conf.frozen_until where the settings run. */
int conversion_freeze(const struct conversion *c, __u32 until, struct fail *f);

/*
 * Copy what is in a map to the one of its name, which is empty. -EPROTO where there is no place for
 * something of it.
 */
int conversion_copy(const struct conversion *c, const char *map, struct fail *f);

/*
 * Once no program uses the old tables any more: bring over what was seen of flows after they were
 * copied, into nsx_ports or nsx_sessions. Programs use the new ones.
 */
int conversion_catch_up(const struct conversion *c, const char *map, struct fail *f);

#endif
