// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp map add, set, del, list */
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

/* What runs at these ports, what is wanted there, and the difference. */
static int change(struct instance *in, const struct map_conf *c, edit_map edit, struct fail *f)
{
	struct config running = {}, wanted = {};
	int err = read_ports(in, c->proto, c->port, c->last, &running, f);

	if (!err)
		err = read_ports(in, c->proto, c->port, c->last, &wanted, f);
	if (!err)
		err = edit(&wanted, c, f);
	note_drain(&running, c);
	if (!err)
		err = cmd_change(in, &running, &wanted, f);
	config_free(&running);
	config_free(&wanted);
	return err;
}

static int run(const struct cmd *cmd, int argc, char **argv, enum verb verb, edit_map edit)
{
	struct instance in;
	struct map_conf c;
	char name[ADDR_STRLEN];
	struct fail f;
	int err;

	if (config_read_map(argc, argv, verb, &c, &f))
		return cmd_usage(cmd, &f);
	err = apply_open(&in, &f);
	if (!err && verb == MAP_ADD) {
		struct up_conf up;

		read_up_conf(&in, &up);
		config_default_at(&c, &up);
	}
	if (!err) {
		err = change(&in, &c, edit, &f);
		instance_close(&in);
	}
	if (err > 0 && verb == MAP_DEL)
		note("map del %s: it is not published",
		     config_port_name(c.proto, c.port, c.last, name));
	return err < 0 ? cmd_failed(cmd, cmd_object(argc, argv), &f) : 0;
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
		{ "share", "SHARE" },  { "packets", "PACKETS" }, {},
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
