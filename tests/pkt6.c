// SPDX-License-Identifier: GPL-2.0-only
/* The same words as packets of IPv6. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>

#include "pkt.h"
#include "pkt_spec.h"

void pkt_map6(const uint8_t v4[4], uint8_t v6[16])
{
	static const uint8_t pool[8] = { 0xfd, 0, 'n', 's', 'x', 'd' };

	memset(v6, 0, 16);
	memcpy(v6 + 12, v4, 4);
	if (v4[0] == 192 && v4[1] == 168) {
		memcpy(v6, pool, sizeof(pool));
		/* The first address of a /30 is the host's. */
		if ((v4[3] & 3) == 1)
			memcpy(v6 + 12, "\0\0\0\1", 4);
	} else if (v4[0] == 127) {
		memcpy(v6 + 12, "\0\0\0\1", 4);
	} else if (v4[0] == 169 && v4[1] == 254) {
		memcpy(v6, "\xfe\x80", 2);
		if (v4[2] == 0 && v4[3] == 1)
			memcpy(v6 + 12, "\0\0\0\1", 4);	/* fe80::1, the gateway */
	} else if (v4[0] == 100 && v4[1] == 64) {
		memcpy(v6, "\xfd\x00\x0e\xc2", 4);	/* metadata services */
	} else if (v4[0] >= 224 && (v4[0] < 240 || v4[0] == 255)) {
		memcpy(v6, "\xff\x02", 2);
	} else if (v4[0] != 0 && v4[0] < 240) {
		memcpy(v6, v4[0] == 203 ? "\x20\x01\x0d\xb8\0\1" : "\x20\x01\x0d\xb8\0\2", 6);
	}
}

/* An IPv4 address at the beginning of some text; its length, or 0. */
static size_t address_at(const char *text, uint8_t v4[4])
{
	size_t len = strspn(text, "0123456789.");
	char word[16];

	if (len < 7 || len >= sizeof(word) || (text[len] && isalpha((unsigned char)text[len])))
		return 0;
	memcpy(word, text, len);
	word[len] = '\0';
	return inet_pton(AF_INET, word, v4) == 1 ? len : 0;
}

void pkt_map_text(const char *text, char *out, size_t size)
{
	size_t used = 0;

	while (*text && used + 64 < size) {
		uint8_t v4[4], v6[16];
		size_t len = used && (isalnum((unsigned char)text[-1]) || text[-1] == '.')
				     ? 0
				     : address_at(text, v4);
		char word[INET6_ADDRSTRLEN];

		if (!len) {
			out[used++] = *text++;
			continue;
		}
		pkt_map6(v4, v6);
		inet_ntop(AF_INET6, v6, word, sizeof(word));
		text += len;
		used += snprintf(out + used, size - used, *text == ':' ? "[%s]" : "%s", word);
		if (*text == '/')
			used += snprintf(out + used, size - used, "/%ld",
					 96 + strtol(text + 1, (char **)&text, 10));
	}
	out[used] = '\0';
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

uint32_t pkt_pseudo6(const struct spec *s, unsigned proto, size_t len)
{
	uint8_t p[40] = { [39] = proto };

	pkt_map6((const uint8_t *)&s->saddr, p);
	pkt_map6((const uint8_t *)&s->daddr, p + 16);
	put16(p + 34, len);
	return pkt_sum16(p, sizeof(p), 0);
}

void pkt_icmp6(const struct spec *s, uint8_t *type, uint8_t *code)
{
	static const uint8_t table[][4] = { { 3, 0, 1, 0 },  { 3, 1, 1, 3 },  { 3, 3, 1, 4 },
					    { 3, 4, 2, 0 },  { 3, 9, 1, 0 },  { 3, 13, 1, 1 },
					    { 11, 0, 3, 0 }, { 12, 0, 4, 0 }, { 5, 0, 137, 0 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (s->type == table[i][0] && s->code == table[i][1]) {
			*type = table[i][2];
			*code = table[i][3];
		}
}

/*
 * Extension headers before the L4 header, by their letters: h, d, D (184 bytes of it), r (type 4), 0
 * (type 0), a, f.
 */
static size_t put_extensions(const struct spec *s, uint8_t *p, uint8_t *first, unsigned proto)
{
	static const struct {
		char letter;
		uint8_t next;
	} kinds[] = { { 'h', 0 }, { 'd', 60 }, { 'D', 60 }, { 'r', 43 }, { '0', 43 }, { 'a', 51 }, { 'f', 44 } };
	uint8_t *next = first;
	size_t len = 0;

	for (const char *c = s->ext; *c; c++)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			uint8_t *h = p + len;

			if (kinds[i].letter != *c)
				continue;
			*next = kinds[i].next;
			next = h;
			memset(h, 0, 184);
			len += *c == 'D' ? 184 : *c == '0' ? 24 : *c == 'a' ? 16 : 8;
			if (*c == 'h' || *c == 'd')
				memcpy(h + 2, "\1\4\0\0\0\0", 6);	/* PadN */
			if (*c == 'D')
				memcpy(h + 1, "\x16\1\xb4", 3);
			if (*c == 'r')
				h[2] = 4;
			if (*c == '0')
				h[1] = 2;
			if (*c == 'a')
				h[1] = 2;
		}
	if (s->off || s->mf) {
		uint8_t *h = p + len;

		*next = 44;
		next = h;
		put16(h + 2, s->off << 3 | s->mf);
		memcpy(h + 4, "\0\0\x12\x34", 4);
		len += 8;
	}
	*next = proto;
	return len;
}

size_t pkt_build6(const struct spec *s, uint8_t *ip, const uint8_t *l4, size_t len, unsigned proto)
{
	size_t ext;

	memset(ip, 0, 128);
	/* A traffic class with ECN's bits, and a flow label. */
	memcpy(ip, s->flow ? "\x6b\xa1\x23\x45" : "\x60\0\0\0", 4);
	ip[7] = s->ttl;
	pkt_map6((const uint8_t *)&s->saddr, ip + 8);
	pkt_map6((const uint8_t *)&s->daddr, ip + 24);
	ext = put_extensions(s, ip + 40, ip + 6, proto == 1 ? 58 : proto);
	memcpy(ip + 40 + ext, l4, len);
	put16(ip + 4, s->tot ? s->tot - 20 : ext + len);
	return 40 + ext + len;
}

size_t pkt_nd(const struct spec *s, uint8_t *frame)
{
	uint8_t *p = frame + 14, *icmp = p + 40;
	uint8_t pseudo[40] = { [39] = 58 };

	memset(p, 0, 128);
	put16(frame + 12, 0x86dd);
	p[0] = 0x60;
	put16(p + 4, 24);
	p[6] = s->proto ? s->proto : 58;
	p[7] = s->ttl == 64 ? 255 : s->ttl;
	/* From the link-local address that the MAC makes, unless it is said to be from nobody. */
	if (s->saddr) {
		put16(p + 8, 0xfe80);
		p[16] = frame[6] ^ 2;
		memcpy(p + 17, frame + 7, 2);
		put16(p + 19, 0xfffe);
		memcpy(p + 21, frame + 9, 3);
		p[23] ^= s->code;
	}
	/* To the gateway, fe80::1, about it; or about one's own. */
	put16(p + 24, 0xfe80);
	p[39] = 1;
	if (s->daddr != htonl(0xc0a80001))
		pkt_map6((const uint8_t *)&s->daddr, p + 24);
	icmp[0] = s->type;
	put16(icmp + 8, 0xfe80);
	icmp[23] = 1;
	if (s->type == 136 || !s->saddr) {
		put16(icmp + 8, 0xfe80);
		icmp[16] = frame[6] ^ 2;
		memcpy(icmp + 17, frame + 7, 2);
		put16(icmp + 19, 0xfffe);
		memcpy(icmp + 21, frame + 9, 3);
	}
	if (s->off)
		icmp[23] ^= s->off;	/* about another's */
	memcpy(pseudo, p + 8, 32);
	put16(pseudo + 34, 24);
	put16(icmp + 2, ~pkt_sum16(icmp, 24, pkt_sum16(pseudo, 40, 0)));
	if (*s->ext) {	/* behind destination options */
		memmove(icmp + 8, icmp, 24);
		memcpy(icmp, "\x3a\0\1\4\0\0\0\0", 8);
		p[6] = 60;
		put16(p + 4, 32);
		return 14 + 72;
	}
	return 14 + 64;
}

size_t pkt_neighbour(const struct spec *s, uint8_t *frame)
{
	bool solicit = strcmp(s->kind, "solicit") == 0, nobody = solicit ? !s->saddr : !s->daddr;
	uint8_t *p = frame + 14, *icmp = p + 40;
	size_t len = solicit && nobody ? 24 : 32;
	uint8_t pseudo[40] = { [39] = 58 };

	memset(p, 0, 128);
	put16(frame + 12, 0x86dd);
	p[0] = 0x60;
	put16(p + 4, len);
	p[6] = 58;
	p[7] = s->ttl == 64 ? 255 : s->ttl;
	if (!solicit || !nobody)
		pkt_map6((const uint8_t *)&s->saddr, p + 8);
	pkt_map6((const uint8_t *)(solicit ? &s->daddr : &s->saddr), icmp + 8);
	if (solicit) {
		memcpy(p + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff", 13);
		memcpy(p + 37, icmp + 21, 3);
	} else if (nobody) {
		memcpy(p + 24, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	} else {
		pkt_map6((const uint8_t *)&s->daddr, p + 24);
	}
	if (p[24] == 0xff) {
		memcpy(frame, "\x33\x33", 2);
		memcpy(frame + 2, p + 36, 4);
	}
	icmp[0] = solicit ? 135 : 136;
	if (!solicit)
		icmp[4] = nobody ? 0x20 : 0x60;	/* override, and solicited */
	icmp[24] = solicit ? 1 : 2;
	icmp[25] = 1;
	memcpy(icmp + 26, frame + 6, 6);
	memcpy(pseudo, p + 8, 32);
	put16(pseudo + 34, len);
	put16(icmp + 2, (uint16_t)~pkt_sum16(icmp, len, pkt_sum16(pseudo, 40, 0)) ^ s->badsum);
	return 14 + 40 + len;
}
