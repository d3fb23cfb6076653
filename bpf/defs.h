/* SPDX-License-Identifier: GPL-2.0-only */
/* Constants of the wire and of the kernel that BTF does not carry, and the shape of a stage. */
#ifndef NSXDP_DEFS_H
#define NSXDP_DEFS_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "nsxdp.h"
#include "verdict.h"

#define ETH_P_IP	bpf_htons(0x0800)
#define ETH_P_ARP	bpf_htons(0x0806)
#define ETH_P_IPV6	bpf_htons(0x86dd)
#define ETH_P_8021Q	bpf_htons(0x8100)
#define ETH_P_8021AD	bpf_htons(0x88a8)
#define VLAN_VID	0x0fff	/* of the tag; 0: a frame without VLAN, with a priority only */
#define ETH_HLEN	14
#define ETH_ALEN	6

#define IP_OFFSET	bpf_htons(0x1fff)	/* of a fragment */
#define IP_DF		bpf_htons(0x4000)
#define IP_MF		bpf_htons(0x2000)
#define IP_MF_OFFSET	bpf_htons(0x3fff)	/* the same with the more-fragments bit */
#define IP_HLEN_MIN	20
#define IP_HLEN_MAX	60
#define IP6_HLEN	40
#define IP6_JUMBO_HLEN	8
#define IP6_OFFSET	bpf_htons(0xfff8)	/* in a fragment header */
#define IP6_MF		bpf_htons(0x0001)
#define IP6_FRAGMENT_HLEN 8
#define IPPROTO_ICMP_	1
#define IPPROTO_TCP_	6
#define IPPROTO_UDP_	17
#define IPPROTO_ICMPV6_	58
/* Ethernet, IP with options, ICMP, inner IP with options, 20 bytes of L4 */
#define HEADERS_MAX	192
/* The same of IPv6, whose L4 headers, outer and quoted, begin below 256 */
#define HEADERS6_MAX	320

#define ICMP_ECHOREPLY		0
#define ICMP_DEST_UNREACH	3
#define ICMP_SOURCE_QUENCH	4
#define ICMP_REDIRECT		5
#define ICMP_ECHO		8
#define ICMP_TIME_EXCEEDED	11
#define ICMP_PARAMETERPROB	12
#define ICMP_HLEN		8

/* RFC 4443, 4; RFC 4861, 4; RFC 2710; RFC 3810 */
#define ICMPV6_DEST_UNREACH	1
#define ICMPV6_TOO_BIG		2
#define ICMPV6_TIME_EXCEEDED	3
#define ICMPV6_INFO		128	/* types below are errors */
#define ICMPV6_ECHO		128
#define ICMPV6_ECHOREPLY	129
#define MLD_QUERY		130
#define MLD_REPORT		131
#define MLD_DONE		132
#define ND_ROUTER_SOLICIT	133
#define ND_ROUTER_ADVERT	134
#define ND_SOLICIT		135
#define ND_ADVERT		136
#define ND_REDIRECT		137
#define MLD2_REPORT		143

#define TCP_FIN	0x01
#define TCP_SYN	0x02
#define TCP_RST	0x04
#define TCP_ACK	0x10
#define TCP_HLEN_MIN 20
#define TCP_SEQ 4	/* offsets in the header */
#define TCP_ACK_SEQ 8
#define TCP_CSUM 16
#define ICMP_CSUM 2
#define UDP_HLEN 8
#define UDP_CSUM 6

/* bpf_sock.state */
#define TCP_ESTABLISHED	1	/* of UDP: connected */
#define TCP_SYN_RECV	3
#define TCP_TIME_WAIT	6
#define TCP_LISTEN	10
#define TCP_NEW_SYN_RECV 12

#define PACKET_HOST 0	/* skb->pkt_type: the frame's destination is the device */
#define PACKET_OTHERHOST 3 /* another device is */

/* skb->ip_summed */
#define CHECKSUM_COMPLETE	2
#define CHECKSUM_PARTIAL	3

#define TC_ACT_UNSPEC	(-1)	/* on to the next program, then the stack */
#define TC_ACT_OK	0	/* to the stack, past all other programs */
#define TC_ACT_SHOT	2

/*
 * A stage returns the verdict that ends the packet's way, or which stage comes next. None of these
 * is a verdict: one that reaches exit_pkt() drops the packet.
 */
enum nsx_stage {
	NSX_CONTINUE = -1,		/* the next one */
	NSX_MASQUERADE = -2,		/* snat_pkt() */
	NSX_BETWEEN_FLOWS = -3,		/* hairpin_flow() */
	NSX_TO_SERVICE = -4,		/* hairpin_service() */
	NSX_REMEMBER = -5,		/* return_note(), as a hairpin */
	NSX_LATER = -6,			/* frag_find() */
	NSX_OPEN = -7,			/* snat_pkt() now */
	NSX_ALIASED = -8,		/* alias_write() */
	NSX_SHARE = -9,			/* share_new() */
	NSX_UNKNOWN = -10,		/* of a look-up: there is no such flow yet */
	NSX_ROUTE_OUT = -11,		/* routed_out() */
	NSX_ROUTE_IN = -12,		/* routed_in(), to another namespace */
};

#define NO_PLACE (-1)		/* in a table that is searched by a function of its own */

#define NULL ((void *)0)

#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define barrier() asm volatile("" ::: "memory")

/*
 * Memory barriers, as in Documentation/memory-barriers.txt. x86 keeps loads in order, and stores,
 * by itself. Elsewhere no BPF instruction does that before kernel 6.15 (load-acquire), but an
 * atomic operation that returns the old value is fully ordered, as the kernel's own are
 * (Documentation/atomic_t.txt) and as the JITs make them; on a word of its own stack a program
 * waits for no other CPU. An atomic operation that returns nothing orders nothing but on x86:
 * smp_mb__after_atomic(). An emulated arm64 on x86 reorders nothing, so no test shows that a
 * barrier is missing.
 */
#ifdef __TARGET_ARCH_x86
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define smp_mb__after_atomic() barrier()
#else
#define smp_mb() ({									\
	__u64 word_ = 0;								\
	asm volatile("" : : "r"(__sync_lock_test_and_set(&word_, 1)) : "memory");	\
})
#define smp_rmb() smp_mb()
#define smp_wmb() smp_mb()
#define smp_mb__after_atomic() smp_mb()
#endif

#define MTU_SURE 68	/* bytes of IP that every route and link takes (RFC 791, 3.2) */
#define MTU6_LEAST 1280	/* the same of IPv6 (RFC 8200, 5) */

#define AF_INET 2
#define AF_INET6 10

/* Which end of the packet is the namespace's, and is therefore translated. */
enum side {
	SIDE_SRC,
	SIDE_DST,
};

/* Flags beside enum side: the packet is forwarded, so its TTL or hop limit goes down. */
#define REWRITE_HOP 2

/* What the look-ups decided: the new endpoint of one side and where the packet goes. */
struct xlat {
	struct nsx_addr addr;
	struct nsx_addr other;	/* .both: of the other end */
	__be16 port;		/* from here on zero where not set */
	__u8 side;		/* enum side */
	/* Deliver through the veth ifindex, else send by the uplink ifindex */
	__u8 to_ns;
	__u32 ifindex;
	__u8 mac[ETH_ALEN];	/* to_ns: the namespace's */
	__u8 verdict;		/* enum nsx_verdict, once it is sent */
	__u8 both;		/* the other end gets another endpoint too */
	__be16 other_port;
	/* Index of the host's address: that the packet leaves from, or that a hairpin asked */
	__u16 local;
	__u32 other_ifindex;	/* between flows: the veth of the other end */
	__u32 xdp;		/* a flow by a shared port: the namespace takes frames from XDP */
	__u16 cut_to;		/* bytes of IP; 0: it fits */
	__be16 id;		/* new_id: the identification that it gets */
	__u32 new_id;
};

/*
 * Load a packet pointer from the context. In C, LLVM may copy the 32-bit field through a 32-bit
 * register when it needs it twice, which the verifier takes for a number.
 */
#define ctx_pointer(ctx, field) ({							\
	void *pointer_;									\
	asm volatile("%0 = *(u32 *)(%1 + %2)"						\
		     : "=r"(pointer_)							\
		     : "r"(ctx), "i"(__builtin_offsetof(typeof(*(ctx)), field)));	\
	pointer_;									\
})
#define ctx_data(ctx)		ctx_pointer(ctx, data)
#define ctx_data_end(ctx)	ctx_pointer(ctx, data_end)

static __always_inline bool addr_eq(const struct nsx_addr *a, const struct nsx_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

static __always_inline bool mac_eq(const __u8 *a, const __u8 *b)
{
	return *(__u32 *)a == *(__u32 *)b && *(__u16 *)(a + 4) == *(__u16 *)(b + 4);
}

static __always_inline void mac_copy(__u8 *to, const __u8 *from)
{
	*(__u32 *)to = *(__u32 *)from;
	*(__u16 *)(to + 4) = *(__u16 *)(from + 4);
}

static __always_inline void addr_from_v6(struct nsx_addr *a, const struct in6_addr *v6)
{
	/* Two bytes behind a boundary of four in a frame, as everything is there. */
	__builtin_memcpy(a, v6, sizeof(*a));
}

static __always_inline void addr_from_v4(struct nsx_addr *a, __be32 v4)
{
	/* One store: a later load of the whole word would wait for two. */
	a->d[0] = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	a->d[1] = (__u64)v4 << 32 | NSX_V4_PREFIX;
#else
	a->d[1] = (__u64)NSX_V4_PREFIX << 32 | v4;
#endif
}

/*
 * For steps that every IPv6 packet takes: inlined at XDP, where a call costs a tenth of the
 * packet's time; not inlined at TC, where the programs are large.
 */
#ifdef NSXDP_AT_XDP
#define XDP_INLINE static __always_inline
#else
#define XDP_INLINE __noinline
#endif

/* Set before loading, by tests: do as on kernels before 6.3, which have less. */
const volatile bool test_old_kernel;

#endif
