/* SPDX-License-Identifier: GPL-2.0-only */
/* A map and its counterpart of another layout, for convert.c and catch_up.c. */
#ifndef NSXDP_CONVERT_PAIR_H
#define NSXDP_CONVERT_PAIR_H

#include <bpf/bpf.h>

#include "kernel/convert.h"
#include "kernel/layout.h"

/** struct side - a map */
struct side {
	int fd;			/* -1: closed */
	struct bpf_map_info info;
	struct btf *btf;	/* its own types, or NULL */
};
void side_close(struct side *s);

/* Bytes from one value of an array to the next. */
size_t side_step(const struct side *s);

/** struct arrays - two arrays of as many values, in memory */
struct arrays {
	char *from, *to;
	size_t from_size, to_size;
};
int arrays_open(struct arrays *a, const struct side *from, const struct side *to);
void arrays_close(struct arrays *a);
bool value_is_zero(const char *p, size_t size);

/** struct pair - a map, its counterpart, and how a value is converted */
struct pair {
	struct side from, to;
	struct layout_plan plan;
};
int pair_open(const struct conversion *c, const char *map, struct pair *p, struct fail *f);
void pair_close(struct pair *p);

/*
 * A map in a pair of tables of maps, and its counterpart; both are to be closed, also after a
 * failure. -ENOENT where there is none, or no counterpart.
 */
int inner_open(const struct pair *p, __u32 which, struct side *was, struct side *is);

#endif
