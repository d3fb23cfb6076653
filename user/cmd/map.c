// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp map add, set, del, list */
#include <errno.h>

#include "apply/apply.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "config/edit.h"
#include "state/read.h"
#include "state/state.h"

typedef int (*edit_map)(struct config *c, const struct map_conf *wanted, struct fail *f);

/*
 * How long connections may go on is said with the change, of ports that are about to be none of the
 * model's.
 */
static void note_drain(struct config *running, const struct map_conf *c)
{
	struct fail ignored;
	struct map_conf *map = c->given & MAP_GIVEN_DRAIN ? edit_map_find(running, c, &ignored)
							  : NULL;

	if (map) {
		map->given |= MAP_GIVEN_DRAIN;
		map->drain = c->drain;
	}
}

static int read_each(struct instance *in, const struct map_conf *c, int count, struct config *ret,
		     struct fail *f)
{
	int err = 0;

	for (int i = 0; i < count && !err; i++)
		err = read_ports(in, c[i].row, c[i].port, c[i].last, ret, f);
	return err;
}

/*
 * Edit what is wanted, for each family. It is no error if one family already is as wanted, or is not
 * published, as long as the other one changes.
 */
static int edit_each(struct config *wanted, const struct map_conf *c, int count, edit_map edit,
		     struct fail *f)
{
	int done = 0, first = 0;
	struct fail why;

	for (int i = 0; i < count; i++) {
		int err = edit(wanted, &c[i], &why);

		config_sort(wanted);
		if (!err) {
			done++;
		} else if (err < 0 && err != -ENOENT) {
			*f = why;
			return err;
		} else if (!first) {
			first = err;
			*f = why;
		}
	}
	return done ? 0 : first;
}

/* What runs at these ports, what is wanted there, and the difference. */
static int change(struct instance *in, const struct map_conf *c, int count, edit_map edit,
		  struct fail *f)
{
	struct config running = {}, wanted = {};
	int err = read_each(in, c, count, &running, f);

	if (!err)
		err = read_each(in, c, count, &wanted, f);
	if (!err)
		err = edit_each(&wanted, c, count, edit, f);
	for (int i = 0; i < count; i++)
		note_drain(&running, &c[i]);
	if (!err)
		err = cmd_change(in, &running, &wanted, f);
	config_free(&running);
	config_free(&wanted);
	return err;
}

/* The families that are meant, of those that the instance has. */
static int split(struct instance *in, const struct map_conf *c, enum verb verb,
		 struct map_conf ret[NSX_FAMILIES], struct fail *f)
{
	int all = config_split_map(c, ret), count = 0;
	struct up_conf up;

	read_up_conf(in, &up);
	for (int i = 0; i < all; i++) {
		if (NSX_ROW_FAMILY(ret[i].row) == NSX_V6 && up.ipv6 == NSX_IPV6_OFF &&
		    !(ret[i].given & MAP_GIVEN_EITHER))
			return fail(f, -EAFNOSUPPORT, "the instance has no IPv6 (nsxdp up --ipv6)");
		if (verb != MAP_ADD || config_default_at(&ret[i], &up))
			ret[count++] = ret[i];
	}
	if (!count)
		return fail(f, -EAFNOSUPPORT,
			    "the instance has no IPv6, and ports are published at an IPv6 address (nsxdp up --publish-at)");
	return count;
}

static int run(const struct cmd *cmd, int argc, char **argv, enum verb verb, edit_map edit)
{
	struct map_conf c, each[NSX_FAMILIES];
	struct instance in;
	char name[ADDR_STRLEN];
	struct fail f;
	int err, count;

	if (config_read_map(argc, argv, verb, &c, &f))
		return cmd_usage(cmd, &f);
	err = apply_open(&in, &f);
	if (!err) {
		err = count = split(&in, &c, verb, each, &f);
		if (err > 0)
			err = change(&in, each, count, edit, &f);
		instance_close(&in);
	}
	if (err > 0 && verb == MAP_DEL)
		note("map del %s: it is not published",
		     config_port_name(c.row, c.port, c.last, name));
	return err < 0 ? cmd_failed(cmd, options_first_word(cmd->grammar, argc, argv), &f) : 0;
}

int cmd_map_add(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, MAP_ADD, edit_map_add);
}

int cmd_map_set(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, MAP_SET, edit_map_set);
}

int cmd_map_del(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, MAP_DEL, edit_map_del);
}

/* For the table: a line for each target, and for each that drains. */
static json_t *map_lines(json_t *maps)
{
	json_t *map, *target, *lines = json_array();
	size_t i, n;

	json_array_foreach(maps, i, map) {
		const json_t *targets = json_object_get(map, "targets"),
			     *draining = json_object_get(map, "draining");

		json_array_foreach(targets, n, target) {
			json_t *row = json_copy(map);
			char share[8];

			json_object_update(row, target);
			snprintf(share, sizeof(share), "%d%%",
				 (int)json_integer_value(json_object_get(target, "share")));
			json_object_set_new(row, "share", json_string(share));
			json_array_append_new(lines, row);
		}
		json_array_foreach(draining, n, target) {
			json_t *row = json_copy(map);

			json_object_update(row, target);
			json_object_set_new(row, "share", json_string("drains"));
			json_array_append_new(lines, row);
		}
	}
	json_decref(maps);
	return lines;
}

int cmd_map_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "at", "AT" },	       { "ports", "PORT" },	 { "proto", "PROTO" },
		{ "ns", "NAMESPACE" }, { "to", "TO" },		 { "address", "ADDRESS" },
		{ "family", "FAMILY" }, { "share", "SHARE" },	 { "packets", "PACKETS" }, {},
	};
	struct instance in;
	struct map_conf which;
	json_t *maps;
	struct fail f;

	if (config_read_map(argc, argv, MAP_LIST, &which, &f))
		return cmd_usage(cmd, &f);
	if (instance_open(&in, ACCESS_READ, &f))
		return cmd_failed(cmd, NULL, &f);
	maps = state_maps(&in, 0, argc ? &which : NULL);
	instance_close(&in);
	return output_table(json_output || !maps ? maps : map_lines(maps), columns);
}
