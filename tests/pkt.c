// SPDX-License-Identifier: GPL-2.0-only
/* Packets from words. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"
#include "pkt_spec.h"

int pkt_family = 4;

static void bad(const char *words, const char *why)
{
	fprintf(stderr, "packet '%s': %s\n", words, why);
	exit(99);
}

uint16_t pkt_sum16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

void pkt_mac(const char *name, uint8_t mac[6])
{
	static const uint8_t client[6] = { 0x02, 0, 0, 0, 0, 0xaa },
			     uplink[6] = { 0x02, 0, 0, 0, 0, 0x01 };
	static const uint8_t host[6] = { 0x02, 0x6e, 0x73, 0x78, 0x64, 0x70 };
	static const uint8_t private[6] = { 0x02, 0x6e, 0x73, 0x78, 0x70, 0x76 };
	struct in_addr a;

	if (strcmp(name, "client") == 0)
		memcpy(mac, client, 6);
	else if (strcmp(name, "uplink") == 0)
		memcpy(mac, uplink, 6);
	else if (strcmp(name, "host") == 0)
		memcpy(mac, host, 6);
	else if (strcmp(name, "private") == 0)
		memcpy(mac, private, 6);
	else if (inet_pton(AF_INET, name, &a) == 1) {
		mac[0] = 0x02;
		mac[1] = 0x78;
		memcpy(mac + 2, &a, 4);
	} else {
		bad(name, "no such MAC");
	}
}

static void read_endpoint(const char *words, char *word, uint32_t *addr, uint16_t *port)
{
	char *colon = strchr(word, ':');
	struct in_addr a;

	if (colon) {
		*colon = '\0';
		*port = atoi(colon + 1);
	}
	if (inet_pton(AF_INET, word, &a) != 1)
		bad(words, "no address");
	*addr = a.s_addr;
}

static uint8_t read_flags(const char *words, const char *word)
{
	uint8_t flags = 0;

	for (; *word; word++)
		switch (*word) {
		case 'F': flags |= 0x01; break;
		case 'S': flags |= 0x02; break;
		case 'R': flags |= 0x04; break;
		case 'P': flags |= 0x08; break;
		case 'A': flags |= 0x10; break;
		default: bad(words, "unknown word");
		}
	return flags;
}

static void read_option(const char *words, char *word, struct spec *s)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{ "ttl=", offsetof(struct spec, ttl) },
		{ "len=", offsetof(struct spec, len) },
		{ "opts=", offsetof(struct spec, opts) },
		{ "off=", offsetof(struct spec, off) },
		{ "tot=", offsetof(struct spec, tot) },
		{ "ihl=", offsetof(struct spec, ihl) },
		{ "doff=", offsetof(struct spec, doff) },
		{ "trim=", offsetof(struct spec, trim) },
		{ "vlan=", offsetof(struct spec, vlan) },
		{ "proto=", offsetof(struct spec, proto) },
		{ "id=", offsetof(struct spec, id) },
		{ "type=", offsetof(struct spec, type) },
		{ "code=", offsetof(struct spec, code) },
		{ "mtu=", offsetof(struct spec, mtu) },
		{ "cut=", offsetof(struct spec, cut) },
		{ "seq=", offsetof(struct spec, seq) },
		{ "ack=", offsetof(struct spec, ack) },
		{ "transit=", offsetof(struct spec, transit) },
		{ "mss=", offsetof(struct spec, mss) },
		{ "nops=", offsetof(struct spec, nops) },
	};
	char *to;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strncmp(word, numbers[i].name, strlen(numbers[i].name)) == 0) {
			*(unsigned *)((char *)s + numbers[i].offset) = strtoul(word + strlen(numbers[i].name), NULL, 0);
			return;
		}
	if (strcmp(word, "csum=0") == 0) {
		s->has_csum = 1;
	} else if (strcmp(word, "tos") == 0) {
		s->tos = 1;
	} else if (strcmp(word, "flow") == 0) {
		s->flow = 1;
	} else if (strcmp(word, "mf") == 0) {
		s->mf = 1;
	} else if (strcmp(word, "df") == 0) {
		s->df = 1;
	} else if (strcmp(word, "badsum") == 0) {
		s->badsum = 1;
	} else if (strcmp(word, "badip") == 0) {
		s->badip = 1;
	} else if (strncmp(word, "ext=", 4) == 0) {
		snprintf(s->ext, sizeof(s->ext), "%s", word + 4);
	} else if (strncmp(word, "eth=", 4) == 0) {
		to = strchr(word, '>');
		if (!to)
			bad(words, "eth=A>B");
		snprintf(s->eth_src, sizeof(s->eth_src), "%.*s", (int)(to - word - 4), word + 4);
		snprintf(s->eth_dst, sizeof(s->eth_dst), "%s", to + 1);
	} else {
		s->flags = read_flags(words, word);
	}
}

static void read_words(const char *words, struct spec *s)
{
	char copy[1024], *save, *word, *open, *close;

	memset(s, 0, sizeof(*s));
	s->ttl = 64;
	s->len = 16;
	s->flags = 0x10;
	snprintf(copy, sizeof(copy), "%s", words);
	open = strchr(copy, '[');
	close = strrchr(copy, ']');
	if (open && close) {
		snprintf(s->inner, sizeof(s->inner), "%.*s", (int)(close - open - 1), open + 1);
		memset(open, ' ', close - open + 1);
	}
	word = strtok_r(copy, " ", &save);
	snprintf(s->kind, sizeof(s->kind), "%s", word);
	word = strtok_r(NULL, " ", &save);
	if (!word)
		bad(words, "too short");
	read_endpoint(words, word, &s->saddr, &s->sport);
	word = strtok_r(NULL, " ", &save);
	if (!word || strcmp(word, ">"))
		bad(words, "'>' is missing");
	word = strtok_r(NULL, " ", &save);
	if (!word)
		bad(words, "too short");
	read_endpoint(words, word, &s->daddr, &s->dport);
	while ((word = strtok_r(NULL, " ", &save)))
		read_option(words, word, s);
}

static void sum_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, ~pkt_sum16(ip, (ip[0] & 15) * 4, 0));
}

void pkt_set_id(uint8_t *frame, const uint8_t id[2])
{
	memcpy(frame + 14 + 4, id, 2);
	sum_ip(frame + 14);
}

void pkt_set_source(uint8_t *frame, const uint8_t addr[4])
{
	memcpy(frame + 14 + 12, addr, 4);
	sum_ip(frame + 14);
}

/* The sum of the pseudo-header. */
static uint32_t pseudo(const struct spec *s, unsigned proto, size_t len)
{
	uint8_t p[12] = { [9] = proto };

	if (pkt_family == 6)
		return pkt_pseudo6(s, proto, len);
	memcpy(p, &s->saddr, 4);
	memcpy(p + 4, &s->daddr, 4);
	put16(p + 10, len);
	return pkt_sum16(p, sizeof(p), 0);
}

static size_t put_payload(uint8_t *p, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		p[i] = 'a' + i % 26;
	return len;
}

static size_t build_ip(const char *words, uint8_t *ip);

/* The options of TCP: no-operations, the maximum segment size, padding to a multiple of 4. */
static size_t put_tcp_options(uint8_t *p, const struct spec *s)
{
	size_t len = s->nops + (s->mss ? 4 : 0);

	memset(p, 1, s->nops);
	if (s->mss) {
		p[s->nops] = 2;
		p[s->nops + 1] = 4;
		put16(p + s->nops + 2, s->mss);
	}
	while (len & 3)
		p[len++] = 0;
	return len;
}

static uint32_t icmp_pseudo(const struct spec *s, size_t len)
{
	return pkt_family == 6 ? pkt_pseudo6(s, 58, len) : 0;
}

static size_t build_l4(const char *words, const struct spec *s, uint8_t *l4, unsigned *proto)
{
	size_t len, hlen;
	uint16_t check;

	if (strcmp(s->kind, "tcp") == 0) {
		*proto = 6;
		memset(l4, 0, 20);
		len = 20 + put_tcp_options(l4 + 20, s);
		put16(l4, s->sport);
		put16(l4 + 2, s->dport);
		l4[7] = s->seq;
		l4[11] = s->ack;
		l4[12] = (s->doff ? s->doff : len / 4) << 4;
		l4[13] = s->flags;
		put16(l4 + 14, 1024);
		len += put_payload(l4 + len, s->len);
		put16(l4 + 16, (uint16_t)~pkt_sum16(l4, len, pseudo(s, 6, len)) ^ s->badsum);
	} else if (strcmp(s->kind, "udp") == 0) {
		*proto = 17;
		len = 8 + put_payload(l4 + 8, s->len);
		put16(l4, s->sport);
		put16(l4 + 2, s->dport);
		put16(l4 + 4, len);
		put16(l4 + 6, 0);
		check = ~pkt_sum16(l4, len, pseudo(s, 17, len));
		if (!s->has_csum)
			put16(l4 + 6, (check ? check : 0xffff) ^ s->badsum);
	} else if (strcmp(s->kind, "echo") == 0 || strcmp(s->kind, "echo-reply") == 0) {
		*proto = 1;
		memset(l4, 0, 8);
		l4[0] = strcmp(s->kind, "echo") == 0 ? 8 : 0;
		if (pkt_family == 6)
			l4[0] = l4[0] ? 128 : 129;
		put16(l4 + 4, s->id);
		put16(l4 + 6, 1);
		len = 8 + put_payload(l4 + 8, s->len);
		put16(l4 + 2, (uint16_t)~pkt_sum16(l4, len, icmp_pseudo(s, len)));
	} else if (strcmp(s->kind, "error") == 0) {
		uint8_t inner[PKT_MAX];

		*proto = 1;
		memset(l4, 0, 8);
		l4[0] = s->type;
		l4[1] = s->code;
		put16(l4 + 6, s->mtu);
		if (pkt_family == 6)
			pkt_icmp6(s, &l4[0], &l4[1]);
		len = build_ip(s->inner, inner);
		hlen = pkt_family == 6 ? 40 : (inner[0] & 15) * 4;
		if (s->cut && len > hlen + s->cut)
			len = hlen + s->cut;
		memcpy(l4 + 8, inner, len);
		len += 8;
		put16(l4 + 2, (uint16_t)~pkt_sum16(l4, len, icmp_pseudo(s, len)));
	} else if (strcmp(s->kind, "ip") == 0) {
		*proto = s->proto;
		len = put_payload(l4, s->len);
	} else {
		bad(words, "unknown kind of packet");
		len = 0;
	}
	return len;
}

static size_t build_spec(const char *words, const struct spec *s, uint8_t *ip)
{
	unsigned hlen = 20 + s->opts, proto;
	uint8_t l4[PKT_MAX];
	size_t len = build_l4(words, s, l4, &proto);

	if (pkt_family == 6)
		return pkt_build6(s, ip, l4, len, proto);
	memcpy(ip + hlen, l4, len);
	memset(ip, 0, hlen);
	memset(ip + 20, 1, s->opts);	/* no-operation options */
	ip[0] = 0x40 | (s->ihl ? s->ihl : hlen / 4);
	put16(ip + 2, s->tot ? s->tot : hlen + len);
	ip[1] = s->tos ? 0xc0 : 0;
	put16(ip + 4, s->tos ? 0 : 0x1234);
	put16(ip + 6, s->off | (s->mf ? 0x2000 : 0) | (s->df ? 0x4000 : 0));
	ip[8] = s->ttl;
	ip[9] = proto;
	memcpy(ip + 12, &s->saddr, 4);
	memcpy(ip + 16, &s->daddr, 4);
	put16(ip + 10, (uint16_t)~pkt_sum16(ip, hlen, 0) ^ s->badip);
	return hlen + len;
}

static size_t build_ip(const char *words, uint8_t *ip)
{
	struct spec s;

	while (isspace((unsigned char)*words))
		words++;
	read_words(words, &s);
	return build_spec(words, &s, ip);
}

/* A frame that is not IPv4, with its type; returns 0 where the words are of no such. */
static size_t build_link(const struct spec *s, uint8_t *frame)
{
	uint8_t *p = frame + 14;

	memset(p, 0, 60);
	if (strcmp(s->kind, "arp") == 0) {
		static const uint8_t request[] = { 0, 1, 8, 0, 6, 4, 0, 1 };

		put16(frame + 12, 0x0806);
		memcpy(p, request, sizeof(request));
		memcpy(p + 8, frame + 6, 6);
		memcpy(p + 14, &s->saddr, 4);
		memcpy(p + 24, &s->daddr, 4);
		return 14 + 28;
	}
	if (strcmp(s->kind, "nd") == 0)
		return pkt_nd(s, frame);
	if (strcmp(s->kind, "solicit") == 0 || strcmp(s->kind, "advert") == 0)
		return pkt_neighbour(s, frame);
	if (strcmp(s->kind, "frame") == 0) {
		put16(frame + 12, s->proto);
		return 14 + 46;
	}
	return 0;
}

/* As it is sent to be cut to a size: only the number under which its source is kept is not told. */
static void to_transit(uint8_t *ip, unsigned size)
{
	memcpy(ip + 12, "\xf0\0\0\0\xf1\0", 6);
	put16(ip + 18, size);
	put16(ip + 6, 0);
	ip[8] = 64;
	sum_ip(ip);
}

size_t pkt_build(const char *words, uint8_t *frame)
{
	struct spec s;
	size_t len = 14, link;

	read_words(words, &s);
	pkt_mac(*s.eth_dst ? s.eth_dst : "uplink", frame);
	pkt_mac(*s.eth_src ? s.eth_src : "client", frame + 6);
	link = build_link(&s, frame);
	if (link)
		return link;
	if (s.vlan) {
		put16(frame + 12, 0x8100);
		put16(frame + 14, s.vlan);
		len += 4;
	}
	put16(frame + len - 2, pkt_family == 6 ? 0x86dd : 0x0800);
	len += build_spec(words, &s, frame + len);
	if (s.transit)
		to_transit(frame + 14, s.transit);
	return s.trim && s.trim < len ? s.trim : len;
}

void pkt_diff(const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len)
{
	for (size_t i = 0; i < got_len || i < want_len; i += 16) {
		printf("#  %04zx", i);
		for (int side = 0; side < 2; side++) {
			const uint8_t *p = side ? want : got;
			size_t len = side ? want_len : got_len;

			printf(side ? "   want" : "  got");
			for (size_t j = i; j < i + 16; j++) {
				int differs = j >= got_len || j >= want_len || got[j] != want[j];

				if (j < len)
					printf("%c%02x", differs ? '*' : ' ', p[j]);
				else
					printf("   ");
			}
		}
		putchar('\n');
	}
}
