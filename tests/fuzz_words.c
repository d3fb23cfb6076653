// SPDX-License-Identifier: GPL-2.0-only
/*
 * A libFuzzer target: words, one a line, of which the first says what they are for ("u": up, "n": a
 * namespace, "m", "s" and "d": a published port). Beyond what the sanitizers find: who refuses says
 * why and leaves the result alone, and what is accepted is within its bounds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define WORDS_MAX 32
#define CHECK(truth) do { if (!(truth)) abort(); } while (0)

static void check_name(const char name[NSX_NAME_LEN])
{
	size_t len = strnlen(name, NSX_NAME_LEN);

	CHECK(len > 0 && len < NSX_NAME_LEN && !strpbrk(name, "/: \t\n") && name[0] != '.' &&
	      name[0] != '-');
	for (; len < NSX_NAME_LEN; len++)
		CHECK(name[len] == '\0');
}

static int read_up(int argc, char **argv, struct fail *f)
{
	struct up_conf c, was;
	int err;

	memset(&c, 0xa5, sizeof(c));
	was = c;
	err = config_read_up(argc, argv, &c, f);
	if (err) {
		CHECK(memcmp(&c, &was, sizeof(c)) == 0);
		return err;
	}
	CHECK(c.devs > 0 && c.devs <= NSX_UPLINKS && c.dev[c.devs - 1][0]);
	CHECK(c.pool_len >= 8 && c.pool_len <= 30 &&
	      (addr_v4(&c.pool) & ~mask_v4(c.pool_len)) == 0);
	CHECK(c.mode <= NSX_MODE_AUTO);
	for (int i = 0; i < NSX_TIMEOUTS; i++)
		CHECK(c.timeout[i] >= 1);
	return 0;
}

static int read_ns(int argc, char **argv, struct fail *f)
{
	struct ns_conf c, was;
	struct nsx_addr gw;
	int err;

	memset(&c, 0xa5, sizeof(c));
	was = c;
	err = config_read_ns(argc, argv, NS_ADD, &c, f);
	if (err) {
		CHECK(memcmp(&c, &was, sizeof(c)) == 0);
		return err;
	}
	check_name(c.name);
	CHECK(c.dns_count <= NSX_DNS_MAX);
	if (c.given & NS_GIVEN_ADDR) {
		config_gateway(&c.addr, c.prefix_len, &gw);
		CHECK(config_overlap(&gw, 32, &c.addr, c.prefix_len) &&
		      memcmp(&gw, &c.addr, sizeof(gw)));
	}
	return 0;
}

static int read_map(int argc, char **argv, enum verb words, struct fail *f)
{
	struct map_conf c, was;
	int err;

	memset(&c, 0xa5, sizeof(c));
	was = c;
	err = config_read_map(argc, argv, words, &c, f);
	if (err) {
		CHECK(memcmp(&c, &was, sizeof(c)) == 0);
		return err;
	}
	CHECK(c.port && c.port <= c.last && c.row < NSX_ICMP);
	CHECK(c.targets <= NSX_TARGETS && c.allows <= MAP_ALLOWS &&
	      (words == MAP_ADD ? c.targets > 0 : words == MAP_SET || !c.targets));
	for (int i = 0; i < c.targets; i++) {
		check_name(c.target[i].ns);
		CHECK(c.target[i].weight && c.target[i].port &&
		      c.target[i].port + (c.last - c.port) <= 65535);
	}
	CHECK(words == MAP_SET || !c.rate == !c.burst);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *words[WORDS_MAX], *save;
	struct fail f = {};
	int count = 0, err = 0;

	for (char *word = strtok_r(text, "\n", &save); word && count < WORDS_MAX;
	     word = strtok_r(NULL, "\n", &save))
		words[count++] = word;
	if (count) {
		switch (words[0][0]) {
		case 'u':
			err = read_up(count - 1, words + 1, &f);
			break;
		case 'n':
			err = read_ns(count - 1, words + 1, &f);
			break;
		case 'm':
		case 's':
		case 'd':
			err = read_map(count - 1, words + 1, words[0][0] == 'd' ? MAP_DEL :
				       words[0][0] == 'm' ? MAP_ADD : MAP_SET, &f);
			break;
		default:
			break;
		}
		CHECK(!err || (err == -EINVAL && f.text[0]));
	}
	free(text);
	return 0;
}
