/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which build's programs and tables run: struct nsx_meta, pinned beside them. Functions return 0 or
 * a negative errno.
 */
#ifndef NSXDP_META_H
#define NSXDP_META_H

#include <stdbool.h>

#include "fail.h"
#include "nsxdp.h"
#include "kernel/pin.h"

/* -ENOENT where there is none, as of an "up" that died early; -EPROTO where it is no nsx_meta. */
int meta_read(const struct pin_dir *d, struct nsx_meta *ret);

/* The map is made where it is missing. */
int meta_write(const struct pin_dir *d, const struct nsx_meta *meta);

/* What this command's own programs and tables are, in state NSX_META_READY. Takes milliseconds. */
int meta_own(struct nsx_meta *ret, struct fail *f);

/* The layout of a map, or 0. */
__u32 meta_layout(const struct nsx_meta *meta, const char *name);

/* All tables that both have are of one layout, and both have the same ones. */
bool meta_same_tables(const struct nsx_meta *a, const struct nsx_meta *b);

#endif
