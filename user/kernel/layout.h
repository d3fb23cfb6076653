/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of what is in maps, by the types that the kernel has kept with them (BTF): a number
 * for it, and how an entry of one build becomes one of another. Fields are told by their names;
 * those that only the new layout has are 0.
 */
#ifndef NSXDP_LAYOUT_H
#define NSXDP_LAYOUT_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "fail.h"

/*
 * The struct of a map's values where the map has none of its own: of the settings, which are a
 * section of data, and of maps in maps. NULL for others.
 */
const char *layout_struct(const char *map);

/* A number that tells layouts of a map apart; 0 where its type is not known. btf: of its object. */
__u32 layout_number(const struct bpf_map *map, const char *name, const struct btf *btf);

/* The same of a struct; 0 where the object does not have it. */
__u32 layout_struct_number(const struct btf *btf, const char *name);

/**
 * struct layout_plan - how values are converted; freed with layout_free(), which accepts a zeroed
 * one
 */
struct layout_plan {
	struct layout_copy {
		__u32 from, to, bits;	/* offsets in bits */
	} *copy;
	size_t count;
	__u32 from_size, to_size;	/* bytes */
	char *lost;			/* from_size: bytes that have no place in the new layout */
};

/*
 * How a value of type from becomes one of type to. -EPROTO where a field of both has less room in
 * to or is of another kind, or where fields that share their bytes have moved apart; the reason
 * names the field.
 */
int layout_plan(const struct btf *from_btf, __u32 from, const struct btf *to_btf, __u32 to,
		struct layout_plan *ret, struct fail *f);
void layout_free(struct layout_plan *plan);

/* to is overwritten. */
void layout_convert(const struct layout_plan *plan, const void *from, void *to);

/* Something in the value, not 0, has no place in the new layout. */
bool layout_loses(const struct layout_plan *plan, const void *from);

/* Where a field of a struct is, in bytes; or -ENOENT. */
int layout_offset(const struct btf *btf, const char *name, const char *field);

#endif
