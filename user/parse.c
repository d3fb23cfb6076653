// SPDX-License-Identifier: GPL-2.0-only
/* Words to values and back. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

int parse_number(const char *word, unsigned long min, unsigned long max, unsigned long *value)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)word[0]) || (word[0] == '0' && word[1]))
		return -EINVAL;
	errno = 0;
	v = strtoul(word, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int parse_seconds(const char *word, unsigned long min, unsigned long max, unsigned int *seconds)
{
	size_t len = strlen(word);
	unsigned long unit = 1, value;
	char number[16];
	int err;

	if (!len || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, word, len + 1);
	switch (word[len - 1]) {
	case 'h':
		unit *= 60;	/* fall through */
	case 'm':
		unit *= 60;	/* fall through */
	case 's':
		number[len - 1] = '\0';
	}
	err = parse_number(number, 0, max / unit, &value);
	if (!err && value * unit < min)
		err = -ERANGE;
	if (!err)
		*seconds = value * unit;
	return err;
}

int parse_port(const char *word, __u16 *port)
{
	unsigned long v;
	int err = parse_number(word, 1, 65535, &v);

	if (!err)
		*port = v;
	return err;
}

int parse_ports(const char *word, __u16 *first, __u16 *last)
{
	const char *dash = strchr(word, '-');
	char head[8];
	__u16 a, b;
	int err;

	if (!dash) {
		err = parse_port(word, &a);
		b = a;
	} else {
		if ((size_t)(dash - word) >= sizeof(head))
			return -EINVAL;
		memcpy(head, word, dash - word);
		head[dash - word] = '\0';
		err = parse_port(head, &a);
		if (!err)
			err = parse_port(dash + 1, &b);
		if (!err && a > b)
			err = -ERANGE;
	}
	if (err)
		return err;
	*first = a;
	*last = b;
	return 0;
}

int parse_proto(const char *word, __u8 *proto)
{
	if (strcmp(word, "tcp") == 0)
		*proto = NSX_TCP;
	else if (strcmp(word, "udp") == 0)
		*proto = NSX_UDP;
	else
		return -EINVAL;
	return 0;
}

__u32 addr_v4(const struct nsx_addr *addr)
{
	return ntohl(addr->w[3]);
}

void addr_set_v4(struct nsx_addr *addr, __u32 v4)
{
	addr->w[0] = 0;
	addr->w[1] = 0;
	addr->w[2] = NSX_V4_PREFIX;
	addr->w[3] = htonl(v4);
}

__u32 mask_v4(__u8 prefix_len)
{
	return prefix_len ? ~0U << (32 - prefix_len) : 0;
}

enum nsx_family addr_family(const struct nsx_addr *addr)
{
	return nsx_is_v4(addr) ? NSX_V4 : NSX_V6;
}

bool addr_is_set(const struct nsx_addr *addr)
{
	return addr->w[3] || (!nsx_is_v4(addr) && (addr->d[0] || addr->w[2]));
}

bool addr_is_loopback(const struct nsx_addr *addr)
{
	return nsx_is_v4(addr) ? addr_v4(addr) >> 24 == 127
			       : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)addr);
}

bool addr_is_link_local(const struct nsx_addr *addr)
{
	return nsx_is_v4(addr) ? addr_v4(addr) >> 16 == 0xa9fe
			       : IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)addr);
}

int parse_addr(const char *word, struct nsx_addr *addr)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, word, &v4) == 1) {
		addr_set_v4(addr, ntohl(v4.s_addr));
		return 0;
	}
	/* IPv4 in the form of IPv6 would be IPv4 here. */
	if (inet_pton(AF_INET6, word, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
		return -EINVAL;
	memcpy(addr, &v6, sizeof(*addr));
	return 0;
}

int parse_addr4(const char *word, struct nsx_addr *addr)
{
	struct nsx_addr a;

	if (parse_addr(word, &a) || !nsx_is_v4(&a))
		return -EINVAL;
	*addr = a;
	return 0;
}

int parse_prefix(const char *word, struct nsx_addr *addr, __u8 *prefix_len)
{
	const char *slash = strchr(word, '/');
	struct nsx_addr a;
	char host[16];
	unsigned long len;
	int err;

	if (!slash || (size_t)(slash - word) >= sizeof(host))
		return -EINVAL;
	memcpy(host, word, slash - word);
	host[slash - word] = '\0';
	err = parse_addr4(host, &a);
	if (!err)
		err = parse_number(slash + 1, 0, 32, &len);
	if (err)
		return err;
	*addr = a;
	*prefix_len = len;
	return 0;
}

int parse_net(const char *word, struct nsx_addr *addr, __u8 *len)
{
	const char *slash = strchr(word, '/');
	size_t size = slash ? (size_t)(slash - word) : strlen(word);
	char host[INET6_ADDRSTRLEN];
	struct nsx_addr a;
	unsigned long bits;
	int err;

	if (size >= sizeof(host))
		return -EINVAL;
	memcpy(host, word, size);
	host[size] = '\0';
	err = parse_addr(host, &a);
	if (err)
		return err;
	bits = nsx_is_v4(&a) ? 32 : 128;
	err = slash ? parse_number(slash + 1, 0, bits, &bits) : 0;
	if (err)
		return err;
	*addr = a;
	*len = bits + (nsx_is_v4(&a) ? 96 : 0);
	return 0;
}

void addr_mask(struct nsx_addr *addr, __u8 len)
{
	for (int i = 0; i < 4; i++) {
		int bits = len - 32 * i;

		addr->w[i] &= htonl(bits >= 32 ? ~0U : bits <= 0 ? 0 : ~0U << (32 - bits));
	}
}

struct nsx_network network_any(void)
{
	struct nsx_network any = {};

	addr_set_v4(&any.addr, 0);
	return any;
}

bool network_is_any(const struct nsx_network *network)
{
	return !network->len && nsx_is_v4(&network->addr);
}

bool net_has_host_bits(const struct nsx_addr *addr, __u8 len)
{
	struct nsx_addr net = *addr;

	addr_mask(&net, len);
	return memcmp(&net, addr, sizeof(net)) != 0;
}

bool nets_overlap(const struct nsx_addr *a, __u8 a_len, const struct nsx_addr *b, __u8 b_len)
{
	struct nsx_addr x = *a, y = *b;
	__u8 len = a_len < b_len ? a_len : b_len;

	addr_mask(&x, len);
	addr_mask(&y, len);
	return memcmp(&x, &y, sizeof(x)) == 0;
}

static int check_word(const char *word, size_t len, size_t max)
{
	if (len == 0 || word[0] == '-' || word[0] == '.')
		return -EINVAL;
	if (len >= max)
		return -ERANGE;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)word[i]) || strchr("/:=%", word[i]))
			return -EINVAL;
	return 0;
}

static int copy_name(const char *word, size_t len, char *name, size_t max)
{
	int err = check_word(word, len, max);

	if (err)
		return err;
	memset(name, 0, max);
	memcpy(name, word, len);
	return 0;
}

int parse_name(const char *word, char name[NSX_NAME_LEN])
{
	return copy_name(word, strlen(word), name, NSX_NAME_LEN);
}

int parse_ifname(const char *word, char name[16])
{
	return copy_name(word, strlen(word), name, 16);
}

int parse_target(const char *word, char name[NSX_NAME_LEN], __u16 *port)
{
	const char *colon = strrchr(word, ':');
	__u16 p;
	int err;

	if (!colon)
		return -EINVAL;
	err = parse_port(colon + 1, &p);
	if (!err)
		err = copy_name(word, colon - word, name, NSX_NAME_LEN);
	if (!err)
		*port = p;
	return err;
}

const char *format_net(const struct nsx_addr *addr, __u8 len, char buf[ADDR_STRLEN])
{
	int whole = 128, off = nsx_is_v4(addr) ? 96 : 0;

	format_addr(addr, buf);
	if (len != whole)
		snprintf(buf + strlen(buf), ADDR_STRLEN - strlen(buf), "/%d", len - off);
	return buf;
}

const char *format_prefix(const struct nsx_addr *addr, __u8 len, char buf[ADDR_STRLEN])
{
	format_addr(addr, buf);
	snprintf(buf + strlen(buf), ADDR_STRLEN - strlen(buf), "/%d",
		 len - (nsx_is_v4(addr) ? 96 : 0));
	return buf;
}

const char *format_addr(const struct nsx_addr *addr, char buf[ADDR_STRLEN])
{
	if (nsx_is_v4(addr))
		return inet_ntop(AF_INET, &addr->w[3], buf, ADDR_STRLEN);
	return inet_ntop(AF_INET6, addr, buf, ADDR_STRLEN);
}

const char *format_mac(const __u8 mac[6], char buf[ADDR_STRLEN])
{
	snprintf(buf, ADDR_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

const char *family_name(enum nsx_family family)
{
	return family == NSX_V6 ? "ipv6" : "ipv4";
}

const char *proto_name(__u8 proto)
{
	static const char *const names[NSX_PROTOS] = { "tcp", "udp", "icmp" };

	return proto < NSX_PROTOS ? names[proto] : "?";
}
