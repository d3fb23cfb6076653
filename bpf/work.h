/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program works on, kept beside its stack, which is small. There is one for each CPU, for
 * the programs at TC and XDP: they run in softirqs or, behind netkit, in a sender with softirqs
 * disabled, and so do not interrupt each other.
 */
#ifndef NSXDP_WORK_H
#define NSXDP_WORK_H

#include "defs.h"
#include "parse.h"
#include "outside.h"
#include "session_take.h"

/* The search for a port: where it is, and the best one yet. */
struct share_search {
	__u64 at;
	__u32 looks;
	__u32 now;
	__u32 port;
	__s32 weight;
};

/* What an entry of kind NSX_RETURN has besides its identity, as the fields of struct nsx_slot. */
struct way_back {
	__u32 client;	/* host-side veth of the namespace that has caused it, or 0 */
	__u16 local;
	__be16 outside_port;
	__u32 flags;
};

struct work {
	struct pkt p;
	struct xlat x;
	struct nsx_session_key key;
	struct way_back back;
	struct nsx_session_key flow;	/* of the packet, with what session_seek() said of it: */
	__u64 seek;
	__u32 sought;			/* these two are valid */
	struct outside outside;
	struct won won;
	struct share_search search;
	__u32 number;		/* of the entry that was made, for quota_commit() */
	__u32 local;		/* index of the address that it leaves from */
	__u64 alias;		/* of alias_find() */
	__u32 before;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} nsx_work SEC(".maps");

static __always_inline struct work *work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nsx_work, &zero);
}

/*
 * The members of a struct from one of them on, which is aligned to 8. Those before it are written
 * before they are read.
 */
#define ZERO_FROM(object, member)                                                              \
	({                                                                                     \
		_Static_assert(__builtin_offsetof(typeof(object), member) % 8 == 0,            \
			       "stores of 8 bytes");                                           \
		__builtin_memset(__builtin_assume_aligned(&(object).member, 8), 0,             \
				 sizeof(object) - __builtin_offsetof(typeof(object), member)); \
	})

/* The same, for a packet that comes. */
static __always_inline struct work *work_begin(void)
{
	struct work *w = work_get();

	if (w) {
		ZERO_FROM(w->p, sport);
		ZERO_FROM(w->x, port);
		w->sought = 0;
	}
	return w;
}

#endif
