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

int parse_addr(const char *word, struct nsx_addr *addr)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, word, &v4) != 1)
		return -EINVAL;
	addr_set_v4(addr, ntohl(v4.s_addr));
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
	err = parse_addr(host, &a);
	if (!err)
		err = parse_number(slash + 1, 0, 32, &len);
	if (err)
		return err;
	*addr = a;
	*prefix_len = len;
	return 0;
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

const char *format_addr(const struct nsx_addr *addr, char buf[ADDR_STRLEN])
{
	if (addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == NSX_V4_PREFIX)
		return inet_ntop(AF_INET, &addr->w[3], buf, ADDR_STRLEN);
	return inet_ntop(AF_INET6, addr, buf, ADDR_STRLEN);
}

const char *format_mac(const __u8 mac[6], char buf[ADDR_STRLEN])
{
	snprintf(buf, ADDR_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

const char *proto_name(__u8 proto)
{
	static const char *const names[NSX_PROTOS] = { "tcp", "udp", "icmp" };

	return proto < NSX_PROTOS ? names[proto] : "?";
}
