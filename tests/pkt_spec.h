/* SPDX-License-Identifier: GPL-2.0-only */
/* What the words of a packet said, for pkt.c and pkt6.c. */
#ifndef NSXDP_TEST_PKT_SPEC_H
#define NSXDP_TEST_PKT_SPEC_H

#include <stddef.h>
#include <stdint.h>

struct spec {
	char kind[16];
	uint32_t saddr, daddr;	/* network order */
	uint16_t sport, dport;
	unsigned ttl, len, opts, off, tot, ihl, doff, trim, vlan, proto, id, type, code, mtu, cut,
		transit, seq, ack, mss, nops;
	int has_csum, mf, df, badsum, badip, tos, flow;
	uint8_t flags;
	char eth_src[32], eth_dst[32];
	char inner[512];
	char ext[16];	/* extension headers, a letter for each */
};

uint16_t pkt_sum16(const uint8_t *p, size_t len, uint32_t sum);

/* pkt6.c */
uint32_t pkt_pseudo6(const struct spec *s, unsigned proto, size_t len);

/* Type and code of an ICMP error, to those of ICMPv6. */
void pkt_icmp6(const struct spec *s, uint8_t *type, uint8_t *code);
size_t pkt_build6(const struct spec *s, uint8_t *ip, const uint8_t *l4, size_t len, unsigned proto);
size_t pkt_nd(const struct spec *s, uint8_t *frame);
size_t pkt_neighbour(const struct spec *s, uint8_t *frame);

#endif
