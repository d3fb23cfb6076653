/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words to values and back. A parser takes the whole word or fails; on failure it changes nothing.
 * Each returns 0, or -EINVAL where the word is not of the form, or -ERANGE where the value is not
 * allowed.
 */
#ifndef NSXDP_PARSE_H
#define NSXDP_PARSE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "nsxdp.h"

#define ADDR_STRLEN 64	/* an address with prefix length or port */

/* A decimal number in [min, max]; no sign, no blanks, no leading zeros but 0 itself. */
int parse_number(const char *word, unsigned long min, unsigned long max, unsigned long *value);

/* SECONDS[s], MINUTESm or HOURSh, to seconds in [min, max]. */
int parse_seconds(const char *word, unsigned long min, unsigned long max, unsigned int *seconds);

/* A port, 1 to 65535, in host byte order. */
int parse_port(const char *word, __u16 *port);

/* PORT or FIRST-LAST, where FIRST is not above LAST. */
int parse_ports(const char *word, __u16 *first, __u16 *last);

/* "tcp" or "udp". */
int parse_proto(const char *word, __u8 *proto);

/* An address of either family, an IPv4 one alone; IPv4 to v4-mapped form. */
int parse_addr(const char *word, struct nsx_addr *addr);
int parse_addr4(const char *word, struct nsx_addr *addr);

/* ADDR/LEN of IPv4; the host part may be set. prefix_len is in bits of IPv4. */
int parse_prefix(const char *word, struct nsx_addr *addr, __u8 *prefix_len);

/*
 * ADDR[/LEN] of either family; the host part may be set. len is in bits of struct nsx_addr, of which
 * IPv4's are the last 32.
 */
int parse_net(const char *word, struct nsx_addr *addr, __u8 *len);

/*
 * A namespace's name: a file name, not starting with '-' or '.', without '/', ':' or blanks, below
 * NSX_NAME_LEN.
 */
int parse_name(const char *word, char name[NSX_NAME_LEN]);

/* NAME:PORT. */
int parse_target(const char *word, char name[NSX_NAME_LEN], __u16 *port);

/* An interface's name as the kernel allows it. */
int parse_ifname(const char *word, char name[16]);

/*
 * As text, IPv4 dotted; return buf. A network of one address is that address to format_net(), to
 * format_prefix() one with its length; len as of parse_net().
 */
const char *format_net(const struct nsx_addr *addr, __u8 len, char buf[ADDR_STRLEN]);
const char *format_prefix(const struct nsx_addr *addr, __u8 len, char buf[ADDR_STRLEN]);
const char *format_addr(const struct nsx_addr *addr, char buf[ADDR_STRLEN]);
const char *format_mac(const __u8 mac[6], char buf[ADDR_STRLEN]);
const char *proto_name(__u8 proto);
const char *family_name(enum nsx_family family);	/* "ipv4", "ipv6" */

enum nsx_family addr_family(const struct nsx_addr *addr);

/* It is not the unspecified address of its family, nor zeroed. */
bool addr_is_set(const struct nsx_addr *addr);
bool addr_is_loopback(const struct nsx_addr *addr);
bool addr_is_link_local(const struct nsx_addr *addr);

/* Networks; lengths as of parse_net(). */
void addr_mask(struct nsx_addr *addr, __u8 len);
/* All addresses of both families, which no ADDRESS/LENGTH says. */
struct nsx_network network_any(void);
bool network_is_any(const struct nsx_network *network);

bool net_has_host_bits(const struct nsx_addr *addr, __u8 len);
bool nets_overlap(const struct nsx_addr *a, __u8 a_len, const struct nsx_addr *b, __u8 b_len);

/* IPv4 arithmetic on v4-mapped addresses, in host byte order. */
__u32 addr_v4(const struct nsx_addr *addr);
void addr_set_v4(struct nsx_addr *addr, __u32 v4);
__u32 mask_v4(__u8 prefix_len);

#endif
