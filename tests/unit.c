// SPDX-License-Identifier: GPL-2.0-only
/* Parsers and the config model: good words, and bad ones of every kind. */
#include <errno.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail	/* cmocka's; ours has arguments */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/map.h"
#include "config/diff.h"
#include "config/file.h"
#include "config/config.h"
#include "kernel/layout.h"
#include "kernel/meta.h"
#include "verdict.h"

#define WORDS(...) (sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)), (char *[]){ __VA_ARGS__ }

static void numbers(void **state)
{
	static const char *const bad[] = { "",	 " 1", "1 ", "+1", "-1",  "0x10",
					   "01", "00", "1a", "a",  "1.0", "1e3" };
	unsigned long v = 7;

	(void)state;
	assert_int_equal(parse_number("0", 0, 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(parse_number("10", 0, 10, &v), 0);
	assert_int_equal(v, 10);
	assert_int_equal(parse_number("11", 0, 10, &v), -ERANGE);
	assert_int_equal(parse_number("99999999999999999999999", 0, ~0UL, &v), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_number(bad[i], 0, 10, &v), -EINVAL);
	assert_int_equal(v, 10);
}

static void ports(void **state)
{
	__u16 port = 7;

	(void)state;
	assert_int_equal(parse_port("1", &port), 0);
	assert_int_equal(parse_port("65535", &port), 0);
	assert_int_equal(port, 65535);
	assert_int_equal(parse_port("0", &port), -ERANGE);
	assert_int_equal(parse_port("65536", &port), -ERANGE);
	assert_int_equal(parse_port("http", &port), -EINVAL);
	assert_int_equal(port, 65535);
}

static void port_ranges(void **state)
{
	static const char *const bad[] = { "",	  "-",	     "1-",  "-1",   "1-2-3",	     "2-1",
					   "0-5", "1-65536", "a-b", "1 -2", "999999-1000000" };
	__u16 first = 7, last = 8;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(parse_ports(bad[i], &first, &last), 0);
	assert_int_equal(first, 7);
	assert_int_equal(last, 8);
	assert_int_equal(parse_ports("6000", &first, &last), 0);
	assert_int_equal(first, 6000);
	assert_int_equal(last, 6000);
	assert_int_equal(parse_ports("1-65535", &first, &last), 0);
	assert_int_equal(first, 1);
	assert_int_equal(last, 65535);
}

static void addresses(void **state)
{
	static const char *const bad[] = { "",	       "1.2.3",	   "1.2.3.4.5", "256.1.1.1",
					   "1.2.3.4 ", "01.2.3.4", "a",		"::ffff:1.2.3.4",
					   "fe80::1%lo", "1::2::3", "12345::" };
	struct nsx_addr addr = {};
	char buf[ADDR_STRLEN];

	(void)state;
	assert_int_equal(parse_addr("192.168.0.2", &addr), 0);
	assert_int_equal(addr_v4(&addr), 0xc0a80002);
	assert_memory_equal(&addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x00\x02", 16);
	assert_string_equal(format_addr(&addr, buf), "192.168.0.2");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_addr(bad[i], &addr), -EINVAL);
	assert_string_equal(format_addr(&addr, buf), "192.168.0.2");
}

static void addresses6(void **state)
{
	struct nsx_addr addr = {}, other;
	char buf[ADDR_STRLEN];
	__u8 len;

	(void)state;
	assert_int_equal(parse_addr("2001:db8::1", &addr), 0);
	assert_int_equal(addr_family(&addr), NSX_V6);
	assert_string_equal(format_addr(&addr, buf), "2001:db8::1");
	assert_int_not_equal(parse_addr4("2001:db8::1", &addr), 0);
	assert_int_equal(parse_net("2001:db8::/32", &addr, &len), 0);
	assert_int_equal(len, 32);
	assert_false(net_has_host_bits(&addr, len));
	assert_true(net_has_host_bits(&addr, 16));
	assert_string_equal(format_net(&addr, len, buf), "2001:db8::/32");
	assert_int_equal(parse_net("10.0.0.0/8", &addr, &len), 0);
	assert_int_equal(len, 104);
	assert_string_equal(format_prefix(&addr, len, buf), "10.0.0.0/8");
	assert_int_equal(parse_net("10.1.2.3", &other, &len), 0);
	assert_int_equal(len, 128);
	assert_string_equal(format_net(&other, len, buf), "10.1.2.3");
	assert_true(nets_overlap(&addr, 104, &other, 128));
	assert_int_equal(parse_addr("::", &other), 0);
	assert_false(addr_is_set(&other));
	assert_false(nets_overlap(&addr, 104, &other, 96));
	assert_int_equal(parse_net("::/0", &other, &len), 0);
	assert_int_equal(len, 0);
	assert_int_not_equal(parse_net("2001:db8::/129", &other, &len), 0);
	assert_int_not_equal(parse_net("10.0.0.0/33", &other, &len), 0);
	assert_int_equal(parse_addr("::1", &addr), 0);
	assert_true(addr_is_loopback(&addr));
	assert_int_equal(parse_addr("fe80::1", &addr), 0);
	assert_true(addr_is_link_local(&addr));
}

static void prefixes(void **state)
{
	static const char *const bad[] = { "",	  "/",	       "1.2.3.4",    "1.2.3.4/",
					   "/24", "1.2.3.4/a", "1.2.3.4/-1", "1.2.3.4/024" };
	struct nsx_addr addr;
	__u8 len = 99;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(parse_prefix(bad[i], &addr, &len), 0);
	assert_int_equal(parse_prefix("1.2.3.4/33", &addr, &len), -ERANGE);
	assert_int_equal(len, 99);
	assert_int_equal(parse_prefix("192.168.1.2/24", &addr, &len), 0);
	assert_int_equal(len, 24);
	assert_int_equal(parse_prefix("0.0.0.0/0", &addr, &len), 0);
	assert_int_equal(mask_v4(0), 0);
	assert_int_equal(mask_v4(32), 0xffffffff);
	assert_int_equal(mask_v4(30), 0xfffffffc);
}

static void names(void **state)
{
	static const char *const bad[] = { "",	  ".",	 "..",	".hidden", "-x",
					   "a/b", "a b", "a:1", "a\n",	   "\xc3\xa9" };
	char name[NSX_NAME_LEN] = "kept", target[NSX_NAME_LEN], longest[NSX_NAME_LEN + 1];
	__u16 port = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_name(bad[i], name), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	longest[NSX_NAME_LEN] = '\0';
	assert_int_equal(parse_name(longest, name), -ERANGE);
	assert_string_equal(name, "kept");
	longest[NSX_NAME_LEN - 1] = '\0';
	assert_int_equal(parse_name(longest, name), 0);
	assert_string_equal(name, longest);
	assert_int_equal(parse_name("web", name), 0);
	for (size_t i = 3; i < NSX_NAME_LEN; i++)
		assert_int_equal(name[i], 0);	/* a key of a map: padded */

	assert_int_equal(parse_target("web.1:8080", target, &port), 0);
	assert_string_equal(target, "web.1");
	assert_int_equal(port, 8080);
	assert_int_not_equal(parse_target("web", target, &port), 0);
	assert_int_not_equal(parse_target("web:", target, &port), 0);
	assert_int_not_equal(parse_target(":80", target, &port), 0);
	assert_int_not_equal(parse_target("web:0", target, &port), 0);
	assert_int_not_equal(parse_target("a:b:80", target, &port), 0);
	assert_int_equal(port, 8080);
}

static void protos(void **state)
{
	__u8 proto = 9;

	(void)state;
	assert_int_equal(parse_proto("udp", &proto), 0);
	assert_int_equal(proto, NSX_UDP);
	assert_int_equal(parse_proto("icmp", &proto), -EINVAL);
	assert_int_equal(parse_proto("TCP", &proto), -EINVAL);
	assert_int_equal(proto, NSX_UDP);
	assert_string_equal(proto_name(NSX_TCP), "tcp");
	assert_string_equal(proto_name(77), "?");
}

/* A reader refuses, and its message has the word. */
static void refused(int err, const struct fail *f, const char *word)
{
	assert_int_equal(err, -EINVAL);
	if (!strstr(f->text, word))
		print_error("'%s' does not name '%s'\n", f->text, word);
	assert_non_null(strstr(f->text, word));
}

static void read_up(void **state)
{
	struct up_conf c;
	struct fail f;
	char buf[ADDR_STRLEN];

	(void)state;
	assert_int_equal(config_read_up(WORDS("--dev", "ens5"), &c, &f), 0);
	assert_string_equal(c.dev, "ens5");
	assert_string_equal(format_addr(&c.pool, buf), "192.168.0.0");
	assert_int_equal(c.pool_len, 16);
	assert_false(c.given & UP_GIVEN_POOL);
	assert_int_equal(config_read_up(WORDS("--pool", "10.1.0.0/24", "--dev", "e"), &c, &f), 0);
	assert_true(c.given & UP_GIVEN_POOL);
	refused(config_read_up(0, NULL, &c, &f), &f, "--dev");
	refused(config_read_up(WORDS("--dev"), &c, &f), &f, "--dev");
	assert_int_equal(config_read_up(WORDS("--dev", "ens5", "--dev", "ens6"), &c, &f), 0);
	assert_int_equal(c.devs, 2);
	refused(config_read_up(WORDS("--dev", "ens5", "--dev", "ens5"), &c, &f), &f, "twice");
	refused(config_read_up(WORDS("--dev", "a-name-that-is-too-long"), &c, &f), &f,
		"a-name-that-is-too-long");
	refused(config_read_up(WORDS("--dev", "a", "--pool", "10.0.0.0"), &c, &f), &f, "10.0.0.0");
	refused(config_read_up(WORDS("--dev", "a", "--pool", "10.0.0.1/24"), &c, &f), &f,
		"10.0.0.1/24");
	refused(config_read_up(WORDS("--dev", "a", "--pool", "10.0.0.0/31"), &c, &f), &f, "/31");
	refused(config_read_up(WORDS("--dev", "a", "--pool", "0.0.0.0/0"), &c, &f), &f,
		"0.0.0.0/0");
	refused(config_read_up(WORDS("--dev", "a", "now"), &c, &f), &f, "now");
	assert_int_equal(
		config_read_up(WORDS("--dev", "a", "--timeout", "udp=30", "--mode", "tc"), &c, &f),
		0);
	assert_int_equal(c.timeout[NSX_TO_UDP], 30);
	assert_int_equal(c.timeout[NSX_TO_TCP_ESTABLISHED], 7440);
	assert_int_equal(c.mode, NSX_MODE_TC);
	refused(config_read_up(WORDS("--dev", "a", "--timeout", "udp"), &c, &f), &f, "udp");
	refused(config_read_up(WORDS("--dev", "a", "--timeout", "udp=0"), &c, &f), &f, "udp=0");
	refused(config_read_up(WORDS("--dev", "a", "--timeout", "ud=3"), &c, &f), &f, "ud=3");
	refused(config_read_up(WORDS("--dev", "a", "--timeout", "icmp=99999999999"), &c, &f), &f,
		"icmp=");
	refused(config_read_up(WORDS("--dev", "a", "--mode", "fast"), &c, &f), &f, "fast");
}

static void read_ns(void **state)
{
	struct ns_conf c;
	struct fail f;

	(void)state;
	assert_int_equal(config_read_ns(WORDS("web"), NS_ADD, &c, &f), 0);
	assert_string_equal(c.name, "web");
	assert_false(c.given & NS_GIVEN_ADDR);
	assert_int_equal(
		config_read_ns(WORDS("--addr", "192.168.1.2/24", "web", "--dns", "9.9.9.9"), NS_ADD,
			       &c, &f),
		0);
	assert_true(c.given & NS_GIVEN_ADDR);
	assert_int_equal(c.prefix_len, 24);
	assert_int_equal(c.dns_count, 1);
	assert_false(c.given & NS_GIVEN_LINK);
	assert_int_equal(config_read_ns(WORDS("web", "--link", "netkit"), NS_ADD, &c, &f), 0);
	assert_true((c.given & NS_GIVEN_LINK) && c.netkit);
	assert_int_equal(
		config_read_ns(WORDS("web", "--link", "veth", "--datapath", "xdp"), NS_ADD, &c, &f),
		0);
	assert_true((c.given & NS_GIVEN_LINK) && !c.netkit);
	refused(config_read_ns(WORDS("a", "--link", "vxlan"), NS_ADD, &c, &f), &f, "vxlan");
	refused(config_read_ns(WORDS("a", "--link"), NS_ADD, &c, &f), &f, "--link");
	refused(config_read_ns(WORDS("a", "--link", "netkit", "--datapath", "xdp"), NS_ADD, &c, &f),
		&f, "no XDP");
	refused(config_read_ns(0, NULL, NS_ADD, &c, &f), &f, "missing");
	refused(config_read_ns(WORDS("a", "b"), NS_ADD, &c, &f), &f, "b");
	refused(config_read_ns(WORDS("a/b"), NS_ADD, &c, &f), &f, "a/b");
	refused(config_read_ns(WORDS("a", "--addr"), NS_ADD, &c, &f), &f, "--addr");
	refused(config_read_ns(WORDS("a", "--addr", "192.168.1.0/24"), NS_ADD, &c, &f), &f,
		"192.168.1.0/24");
	refused(config_read_ns(WORDS("a", "--addr", "192.168.1.255/24"), NS_ADD, &c, &f), &f,
		"broadcast");
	refused(config_read_ns(WORDS("a", "--addr", "192.168.1.2/32"), NS_ADD, &c, &f), &f, "/32");
	assert_int_equal(config_read_ns(WORDS("a", "--dns", "9.9.9.9"), NS_ADOPT, &c, &f), 0);
	refused(config_read_ns(WORDS("a", "--dns", "nine"), NS_ADD, &c, &f), &f, "nine");
	refused(config_read_ns(WORDS("a", "--dns", "1.1.1.1", "--dns", "1.1.1.2", "--dns",
				     "1.1.1.3", "--dns", "1.1.1.4"),
			       NS_ADD, &c, &f),
		&f, "1.1.1.4");
}

static void read_map(void **state)
{
	struct map_conf c, each[NSX_FAMILIES];
	struct fail f;

	(void)state;
	assert_int_equal(config_read_map(WORDS("6000", "ns1:8080"), MAP_ADD, &c, &f), 0);
	assert_int_equal(c.row, NSX_TCP);
	assert_int_equal(c.port, 6000);
	assert_int_equal(c.target[0].port, 8080);
	assert_int_equal(config_read_map(WORDS("-p", "udp", "53", "dns:5353"), MAP_ADD, &c, &f), 0);
	assert_int_equal(c.row, NSX_UDP);
	assert_int_equal(config_read_map(WORDS("6000"), MAP_DEL, &c, &f), 0);
	assert_int_equal(config_read_map(WORDS("ens5.7:6000", "ns1:8080"), MAP_ADD, &c, &f), 0);
	assert_true(c.has_at);
	assert_string_equal(c.at.dev, "ens5.7");
	refused(config_read_map(WORDS("300.0.0.1:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "300.0.0.1");
	refused(config_read_map(WORDS("a/b:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "a/b");
	refused(config_read_map(WORDS(":6000", "ns1:80"), MAP_ADD, &c, &f), &f, ":6000");
	refused(config_read_map(WORDS("sixteen-letters-:1", "ns1:80"), MAP_ADD, &c, &f), &f,
		"sixteen-letters-");
	assert_int_equal(config_read_map(WORDS("[2001:db8::1]:6000", "ns1:80"), MAP_ADD, &c, &f), 0);
	assert_true(c.has_at);
	assert_int_equal(config_split_map(&c, each), 1);
	assert_int_equal(each[0].row, NSX_ROW(NSX_TCP, NSX_V6));
	assert_int_equal(config_read_map(WORDS("-6", "6000", "ns1:80"), MAP_ADD, &c, &f), 0);
	assert_int_equal(config_split_map(&c, each), 1);
	assert_int_equal(each[0].row, NSX_ROW(NSX_TCP, NSX_V6));
	assert_int_equal(config_read_map(WORDS("6000", "ns1:80"), MAP_ADD, &c, &f), 0);
	assert_int_equal(config_split_map(&c, each), 2);
	assert_true(config_are_twins(&each[0], &each[1]));
	refused(config_read_map(WORDS("2001:db8::1:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "2001:db8");
	refused(config_read_map(WORDS("[10.0.0.1]:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "10.0.0.1");
	refused(config_read_map(WORDS("[fe80::1]:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "fe80");
	refused(config_read_map(WORDS("-4", "[2001:db8::1]:6000", "ns1:80"), MAP_ADD, &c, &f), &f, "-4");
	refused(config_read_map(0, NULL, MAP_ADD, &c, &f), &f, "missing");
	refused(config_read_map(WORDS("6000"), MAP_ADD, &c, &f), &f, "6000");
	refused(config_read_map(WORDS("0", "ns1:80"), MAP_ADD, &c, &f), &f, "0");
	refused(config_read_map(WORDS("70000", "ns1:80"), MAP_ADD, &c, &f), &f, "70000");
	refused(config_read_map(WORDS("6000", "ns1"), MAP_ADD, &c, &f), &f, "ns1");
	refused(config_read_map(WORDS("6000", "ns1:80", "x"), MAP_ADD, &c, &f), &f, "x");
	refused(config_read_map(WORDS("6000", "ns1:80"), MAP_DEL, &c, &f), &f, "ns1:80");
	assert_int_equal(
		config_read_map(WORDS("203.0.113.5:6000-6009", "a:1", "b:2=7", "--rate", "50/s",
				      "--allow", "10.0.0.0/8", "--affinity", "client"),
				MAP_ADD, &c, &f),
		0);
	assert_int_equal(c.last, 6009);
	assert_true(c.has_at && c.affinity);
	assert_int_equal(c.targets, 2);
	assert_int_equal(c.target[1].weight, 7);
	assert_int_equal(c.rate, 50);
	assert_int_equal(c.burst, 5);
	assert_int_equal(c.allow[0].len, 96 + 8);
	assert_int_equal(config_read_map(WORDS("6000", "a:1", "--drain", "2h"), MAP_SET, &c, &f),
			 0);
	assert_int_equal(c.drain, 7200);
	assert_int_equal(config_read_map(WORDS("6000", "a:1", "--allow", "any", "--rate", "none",
					       "--affinity", "connection"),
					 MAP_SET, &c, &f),
			 0);
	assert_int_equal(c.given, MAP_GIVEN_ALLOW | MAP_GIVEN_RATE | MAP_GIVEN_AFFINITY);
	assert_true(!c.allows && !c.rate && !c.affinity);
	refused(config_read_map(WORDS("1", "a:1", "--allow", "any", "--allow", "10.0.0.1"), MAP_SET,
				&c, &f),
		&f, "any");
	refused(config_read_map(WORDS("1", "a:1", "--allow", "10.0.0.1", "--allow", "any"), MAP_SET,
				&c, &f),
		&f, "any");
	refused(config_read_map(WORDS("1", "a:1", "--rate", "none", "--burst", "5"), MAP_SET, &c,
				&f),
		&f, "--burst 5");
	refused(config_read_map(WORDS("-p", "sctp", "1", "a:1"), MAP_ADD, &c, &f), &f, "sctp");
	refused(config_read_map(WORDS("-p"), MAP_ADD, &c, &f), &f, "-p");
	refused(config_read_map(WORDS("-x", "1", "a:1"), MAP_ADD, &c, &f), &f, "-x");
}

static void networks(void **state)
{
	struct nsx_addr a, b, gw;
	char buf[ADDR_STRLEN];

	(void)state;
	parse_addr("192.168.0.2", &a);
	parse_addr("192.168.0.6", &b);
	assert_false(config_overlap(&a, 30, &b, 30));
	assert_true(config_overlap(&a, 24, &b, 30));
	assert_true(config_overlap(&a, 0, &b, 32));
	config_gateway(&a, 30, &gw);
	assert_string_equal(format_addr(&gw, buf), "192.168.0.1");
	parse_addr("192.168.1.1", &a);
	config_gateway(&a, 24, &gw);
	assert_string_equal(format_addr(&gw, buf), "192.168.1.2");
	assert_string_equal(config_port_name(NSX_UDP, 53, 53, buf), "53/udp");
	assert_string_equal(config_port_name(NSX_TCP, 53, 54, buf), "53-54/tcp");
}

/* Weights are kept to a hundredth, and a target that goes moves little of what it did not have. */
static void spreading(void **state)
{
	struct nsx_target three[3] = {}, two[2];
	__u8 before[NSX_TABLE], after[NSX_TABLE];
	int has[3] = {}, moved = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		addr_set_v4(&three[i].addr, 0xc0a80002 + 4 * i);
		three[i].port = 80;
		three[i].weight = i + 1;
	}
	service_spread(before, three, 3);
	for (int i = 0; i < NSX_TABLE; i++) {
		assert_true(before[i] < 3);
		has[before[i]]++;
	}
	for (int i = 0; i < 3; i++)
		assert_true(has[i] * 6 / (i + 1) >= NSX_TABLE - 10 &&
			    has[i] * 6 / (i + 1) <= NSX_TABLE + 10);
	memcpy(two, three, sizeof(two));
	service_spread(after, two, 2);
	for (int i = 0; i < NSX_TABLE; i++)
		moved += before[i] < 2 && before[i] != after[i];
	assert_true(moved < NSX_TABLE / 8);
	service_spread(after, three, 0);
	assert_int_equal(after[0], NSX_NO_TARGET);
}

/* A model out of lines, as a file has them. */
static int read_lines(const char *lines, struct config *c, char errors[1024])
{
	char path[] = "/tmp/nsxdp-unit.XXXXXX";
	int fd = mkstemp(path), count;
	FILE *out = fmemopen(errors, 1024, "w");

	assert_true(fd >= 0 && out);
	assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
	close(fd);
	count = config_read_file(path, NULL, c, out);
	fclose(out);
	unlink(path);
	return count;
}

static void files(void **state)
{
	struct config c;
	char errors[1024];

	(void)state;
	assert_int_equal(read_lines("map add 1-9 b:1 # ports\n\n ns\tadd b --max-flows 5\r\nns add a\nup --dev e", &c, errors), 0);
	assert_true(c.has_up);
	assert_int_equal(c.ns_count, 2);
	assert_string_equal(c.ns[0].name, "a");
	assert_int_equal(config_ns(&c, "b")->max_flows, 5);
	assert_null(config_ns(&c, "c"));
	assert_int_equal(c.map[0].last, 9);
	config_free(&c);
	assert_int_equal(read_lines("up --dev e\nup --dev e\nns add a\nmap add 1-9 a:1\nmap add 5 a:5\n"
				    "map add 10.0.0.1:5 a:5\nmap add -p udp 5 a:5\nmap add 20 x:1\n", &c, errors), 4);
	assert_non_null(strstr(errors, ":2: up is given twice"));
	assert_non_null(strstr(errors, ":5: port 5/tcp is given twice"));
	assert_non_null(strstr(errors, ":6: port 5/tcp is given twice"));
	assert_non_null(strstr(errors, ":8: there is no namespace 'x'"));
	config_free(&c);
	assert_int_equal(read_lines("ns add a\nmap add 10.0.0.1:5 a:1\nmap add 10.0.0.2:5 a:2\nmap add 10.0.0.2:5 a:3\n"
				    "map add 10.0.0.3:4-5 a:1\n", &c, errors), 2);
	config_free(&c);
}

/* The steps from one model to the other, as lines. */
static void steps(const char *running, const char *wanted, bool keep, const char *expected)
{
	struct config a, b;
	char errors[1024], text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct steps list;

	assert_int_equal(read_lines(running, &a, errors), 0);
	assert_int_equal(read_lines(wanted, &b, errors), 0);
	assert_int_equal(config_diff(&a, &b, keep, &list), 0);
	steps_print(&list, true, out);
	fclose(out);
	assert_string_equal(text, expected);
	steps_free(&list);
	config_free(&a);
	config_free(&b);
}

static void differences(void **state)
{
	(void)state;
	steps("ns add a\nmap add 1 a:1\n", "map add 1 a:1\nns add a\n", false, "");
	steps("ns add a --addr 10.0.0.2/30\n", "ns add a\n", false, "");
	steps("", "ns add a\nmap add 1 a:1\n", false, "+ ns add a\n+ map add 1 a:1\n");
	steps("ns add a\nns add b\nmap add 1 b:1\n", "ns add a\n", false, "- map add 1 b:1\n- ns add b\n");
	steps("ns add a\nns add b\nmap add 1 b:1\n", "ns add a\n", true, "");
	/* What goes last does so first where its place is wanted. */
	steps("ns add a\nmap add 1-9 a:1\nmap add 20 a:2\n", "ns add a\nmap add 5 a:1\n", false,
	      "- map add 1-9 a:1\n+ map add 5 a:1\n- map add 20 a:2\n");
	steps("ns add a --addr 10.0.0.2/30\n", "ns add b --addr 10.0.0.2/30\n", false,
	      "- ns add a --addr 10.0.0.2/30\n+ ns add b --addr 10.0.0.2/30\n");
	/* An address is free before another namespace gets it. */
	steps("ns add a --addr 10.0.0.2/30\nns add b --addr 10.0.0.6/30\n",
	      "ns add a --addr 10.0.0.6/30\nns add b --addr 10.0.0.10/30\nns add c --addr 10.0.0.2/30\n", false,
	      "- ns add b --addr 10.0.0.6/30\n+ ns add b --addr 10.0.0.10/30\n"
	      "- ns add a --addr 10.0.0.2/30\n+ ns add a --addr 10.0.0.6/30\n+ ns add c --addr 10.0.0.2/30\n");
	steps("ns add a\n", "ns adopt a\n", false, "- ns add a\n+ ns adopt a\n");
	steps("ns add a\nmap add 1 a:1 a:2=3\n", "ns add a\nmap add 1 a:2=3 a:1\n", false, "");
	steps("ns add a\nmap add 10.0.0.1:1 a:1\n", "ns add a\nmap add 1 a:1\n", false,
	      "- map add 10.0.0.1:1 a:1\n+ map add 1 a:1\n");
}

/* RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-1. */
static void timeouts(void **state)
{
	(void)state;
	assert_true(config_timeouts[NSX_TO_TCP_ESTABLISHED] >= 2 * 3600 + 4 * 60);
	assert_true(config_timeouts[NSX_TO_TCP_CLOSED] >= 4 * 60);
	assert_true(config_timeouts[NSX_TO_UDP] >= 5 * 60);
	assert_true(config_timeouts[NSX_TO_ICMP] >= 60);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_SYN), NSX_TO_TCP_OPENING);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_IN), NSX_TO_TCP_OPENING);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_IN | NSX_T_ASSURED),
			 NSX_TO_TCP_ESTABLISHED);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_ASSURED | NSX_T_FIN_IN),
			 NSX_TO_TCP_ESTABLISHED);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_ASSURED | NSX_T_FIN_IN | NSX_T_FIN_OUT),
			 NSX_TO_TCP_CLOSED);
	assert_int_equal(nsx_flow_timeout(NSX_TCP, NSX_T_ASSURED | NSX_T_RST), NSX_TO_TCP_RESET);
	assert_int_equal(nsx_flow_timeout(NSX_UDP, 0), NSX_TO_UDP_ONEWAY);
	assert_int_equal(nsx_flow_timeout(NSX_UDP, NSX_T_IN), NSX_TO_UDP);
}

/* A flow that another CPU used one tick in our future is not dead. */
static void clock_skew(void **state)
{
	struct nsx_conf conf = {
		.timeout = { [NSX_TO_ICMP] = 10 },
	};
	struct nsx_learned learned = { .local = { { .state = NSX_LOCAL_PRESENT, .since = 1000 - 0x80000000U } } };
	struct nsx_slot s = { .proto = NSX_ICMP, .seen = 1001 };

	(void)state;
	assert_true(nsx_flow_left(&s, &conf, &learned, 1000) >= 0);
	assert_true(nsx_flow_left(&s, &conf, &learned, 1011) >= 0);
	assert_true(nsx_flow_left(&s, &conf, &learned, 1012) < 0);
	s.seen = 5;
	learned.local[0].since = 0x80000000U;
	assert_true(nsx_flow_left(&s, &conf, &learned, 0xfffffffe) >= 0);	/* the clock wraps */
}

/* What has been idle for more than half of the clock's range is as dead as before. */
static void long_idle(void **state)
{
	struct nsx_conf conf = {
		.timeout = { [NSX_TO_ICMP] = 10 },
	};
	struct nsx_learned learned = { .local = { { .state = NSX_LOCAL_PRESENT, .since = 1000 - 0x80000000U } } };
	struct nsx_slot s = { .proto = NSX_ICMP, .seen = 1000 };

	(void)state;
	for (__u64 idle = 11; idle < 0xffffff00U; idle += 0x1000000)
		assert_true(nsx_flow_left(&s, &conf, &learned, 1000 + idle) < 0);
}

/*
 * The place of a lost address is another's: flows of the first are dead, whenever they were used;
 * new ones live.
 */
static int by_value(const void *a, const void *b)
{
	__u64 left = *(const __u64 *)a, right = *(const __u64 *)b;

	return left < right ? -1 : left > right;
}

static int distinct(__u64 *hashes, int count)
{
	int ret = 1;

	qsort(hashes, count, sizeof(*hashes), by_value);
	for (int i = 1; i < count; i++)
		ret += hashes[i] != hashes[i - 1];
	return ret;
}

/* Neighbours that talk to neighbours by the same ports have each a hash of their own. */
static void hashes_of_neighbours(void **state)
{
	static struct nsx_conf conf = { .hash_seed = 0x0123456789abcdefULL };
	static __u64 session[64 * 1000], reverse[64 * 1000];
	int n = 0;

	(void)state;
	for (__u32 inside = 0; inside < 64; inside++)
		for (__u32 remote = 0; remote < 1000; remote++, n++) {
			struct nsx_session_key k = { .proto = NSX_UDP,
						     .kind = NSX_FLOW,
						     .inside_port = htons(123),
						     .remote_port = htons(123) };

			addr_set_v4(&k.inside, 0xc0a80002 + 4 * inside);
			addr_set_v4(&k.remote, 0xc6336400 + remote);
			session[n] = nsx_session_hash(&conf, &k);
			reverse[n] = nsx_outside_hash(&conf, &k.remote, k.remote_port,
						      htons(1000 + inside), 0, NSX_UDP);
		}
	assert_int_equal(distinct(session, n), n);
	assert_int_equal(distinct(reverse, n), n);
}

static void address_places(void **state)
{
	struct nsx_conf conf = {
		.timeout = { [NSX_TO_ICMP] = 1000 },
	};
	struct nsx_learned learned = { .local = { { .state = NSX_LOCAL_GONE, .since = 100 } } };
	struct nsx_slot s = { .proto = NSX_ICMP, .seen = 500 };

	(void)state;
	assert_true(nsx_flow_left(&s, &conf, &learned, 510) < 0);
	learned.local[0].state = NSX_LOCAL_PRESENT;
	assert_true(nsx_flow_left(&s, &conf, &learned, 510) >= 0);
	learned.local[0].since = 505;
	assert_true(nsx_flow_left(&s, &conf, &learned, 510) < 0);
	s.seen = 506;
	assert_true(nsx_flow_left(&s, &conf, &learned, 510) >= 0);
}

/* An endpoint's port lives as long as the longest of its remotes, and no longer. */
static void further_remotes(void **state)
{
	struct nsx_conf conf = {
		.timeout = { [NSX_TO_TCP_OPENING] = 10, [NSX_TO_TCP_ESTABLISHED] = 1000 },
	};
	struct nsx_learned learned = { .local = { { .state = NSX_LOCAL_PRESENT, .since = 0x80000000U } } };
	struct nsx_slot s = {
		.proto = NSX_TCP, .tcp = NSX_T_SYN, .seen = 100, .flags = NSX_F_MANY, .until = 110
	};

	(void)state;
	assert_int_equal(nsx_port_left(&s, &conf, &learned, 105), 5);
	assert_true(nsx_port_left(&s, &conf, &learned, 111) < 0);
	s.until = 1100;
	assert_int_equal(nsx_port_left(&s, &conf, &learned, 1000), 100);
	assert_true(nsx_flow_left(&s, &conf, &learned, 1000) < 0);
	assert_true(nsx_port_left(&s, &conf, &learned, 1101) < 0);
	assert_true(nsx_port_left(&s, &conf, &learned, 1100 + 0x80000000U) < 0);
	s.state = NSX_SHARED;
	s.flags = 0;
	assert_int_equal(nsx_port_left(&s, &conf, &learned, 1000), 100);
	assert_true(nsx_port_left(&s, &conf, &learned, 1101) < 0);
}

/*
 * As in pf.conf(5): only what was never answered, from 60 percent on, and never less than three
 * seconds.
 */
static void adaptive(void **state)
{
	struct nsx_learned learned = {
		.local = { { .state = NSX_LOCAL_PRESENT, .since = 0x80000000U } },
	};
	struct nsx_conf conf = { .hz = 1000,
				 .timeout = { [NSX_TO_UDP_ONEWAY] = 3750, [NSX_TO_UDP] = 18750 } };
	struct nsx_slot s = { .proto = NSX_UDP };

	(void)state;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 3750);
	learned.occupancy = 60;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 3750);
	learned.occupancy = 80;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 187 + (3750 - 187) / 2);
	learned.occupancy = 100;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 187);
	s.tcp = NSX_T_IN;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 18750);
	s.tcp = 0;
	conf.timeout[NSX_TO_UDP_ONEWAY] = 62;
	assert_int_equal(nsx_flow_time(&s, &conf, &learned), 62);
}

/* struct { u32 a; u16 port[elements]; u8 low : 3; u8 high : bits; union { u64 x; u32 y; }; } in an order */
static struct btf *make_types(bool reverse, int elements, int bits, int *id)
{
	struct btf *btf = btf__new_empty();
	int byte = btf__add_int(btf, "u8", 1, 0), half = btf__add_int(btf, "u16", 2, 0);
	int word = btf__add_int(btf, "u32", 4, 0), wide = btf__add_int(btf, "u64", 8, 0);
	int ports = btf__add_array(btf, word, half, elements);
	int either = btf__add_union(btf, NULL, 8);

	btf__add_field(btf, "x", wide, 0, 0);
	btf__add_field(btf, "y", word, 0, 0);
	*id = btf__add_struct(btf, "s", 24);
	if (reverse)
		btf__add_field(btf, NULL, either, 0, 0);
	btf__add_field(btf, "a", word, reverse ? 64 : 0, 0);
	btf__add_field(btf, "port", ports, reverse ? 96 : 32, 0);
	btf__add_field(btf, "low", byte, reverse ? 160 + bits : 96, 3);
	btf__add_field(btf, "high", byte, reverse ? 160 : 99, bits);
	if (!reverse)
		btf__add_field(btf, NULL, either, 128, 0);
	return btf;
}

static int plan_between(int elements, int bits, struct layout_plan *plan, struct fail *f)
{
	int from, to;
	struct btf *old = make_types(false, 4, 5, &from), *new = make_types(true, elements, bits, &to);
	int err = layout_plan(old, from, new, to, plan, f);

	btf__free(old);
	btf__free(new);
	return err;
}

static void layouts(void **state)
{
	const __u8 old[24] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xb6, 0, 0, 0, 21, 22, 23, 24, 25, 26, 27, 28 };
	const __u8 wanted[24] = { 21, 22, 23, 24, 25, 26, 27, 28, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
				  0xb6 >> 3 | (0xb6 & 7) << 5 };
	static const char *const named[] = { "nsx_conf", "nsx_learned", "nsx_sessions",
					     "nsx_outside", "nsx_dialled",
					     "struct nsx_range", "struct nsx_flush",
					     "struct nsx_move", "struct nsx_veth_change" };
	struct layout_plan plan;
	struct nsx_meta meta;
	struct fail f;
	__u8 new[24];

	(void)state;
	assert_int_equal(plan_between(4, 5, &plan, &f), 0);
	memset(new, 0xff, sizeof(new));
	layout_convert(&plan, old, new);
	assert_memory_equal(new, wanted, sizeof(new));
	layout_free(&plan);
	assert_int_equal(meta_own(&meta, &f), 0);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		assert_int_not_equal(meta_layout(&meta, named[i]), 0);
	assert_int_equal(plan_between(3, 5, &plan, &f), -EPROTO);
	assert_string_equal(f.text, "field port: the new layout has fewer elements");
	assert_int_equal(plan_between(4, 4, &plan, &f), -EPROTO);
	assert_string_equal(f.text, "field high: the new layout has fewer bits");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(ports),
		cmocka_unit_test(port_ranges),
		cmocka_unit_test(addresses), cmocka_unit_test(addresses6),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(names),
		cmocka_unit_test(protos),
		cmocka_unit_test(read_up),
		cmocka_unit_test(read_ns),
		cmocka_unit_test(read_map),
		cmocka_unit_test(networks),
		cmocka_unit_test(spreading),
		cmocka_unit_test(files), cmocka_unit_test(differences), cmocka_unit_test(timeouts),
		cmocka_unit_test(clock_skew),
		cmocka_unit_test(long_idle),
		cmocka_unit_test(address_places),
		cmocka_unit_test(hashes_of_neighbours),
		cmocka_unit_test(further_remotes),
		cmocka_unit_test(adaptive),
		cmocka_unit_test(layouts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
