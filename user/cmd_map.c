// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp map add, del, list */
#include <arpa/inet.h>
#include <stdio.h>

#include "apply.h"
#include "cmd.h"
#include "output.h"
#include "state.h"

static int change(const struct cmd *cmd, int argc, char **argv, enum map_words words,
		  int (*apply)(struct instance *, const struct map_conf *, struct fail *))
{
	struct instance in;
	struct map_conf c;
	struct fail f;
	int err;

	if (config_read_map(argc, argv, words, &c, &f))
		return cmd_usage(cmd, &f);
	err = instance_open(&in, ACCESS_CHANGE, &f);
	if (!err) {
		err = apply(&in, &c, &f);
		instance_close(&in);
	}
	return err ? cmd_failed(cmd, cmd_object(argc, argv), &f) : 0;
}

int cmd_map_add(const struct cmd *cmd, int argc, char **argv)
{
	return change(cmd, argc, argv, MAP_TARGETS, apply_map_add);
}

int cmd_map_set(const struct cmd *cmd, int argc, char **argv)
{
	return change(cmd, argc, argv, MAP_CHANGE, apply_map_set);
}

int cmd_map_del(const struct cmd *cmd, int argc, char **argv)
{
	return change(cmd, argc, argv, MAP_PORTS, apply_map_del);
}

/* For the table: a line for each target, and for each that drains. */
static json_t *map_lines(json_t *maps)
{
	json_t *map, *target, *lines = json_array();
	size_t i, n;

	json_array_foreach(maps, i, map) {
		const json_t *targets = json_object_get(map, "targets"), *draining = json_object_get(map, "draining");

		if (!targets)
			json_array_append(lines, map);
		json_array_foreach(targets, n, target) {
			json_t *row = json_copy(map);
			char share[8];

			json_object_update(row, target);
			snprintf(share, sizeof(share), "%d%%", (int)json_integer_value(json_object_get(target, "share")));
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

static json_t *rows(struct instance *in)
{
	json_t *maps = state_maps(in, 0);

	return json_output ? maps : map_lines(maps);
}

int cmd_map_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "at", "AT" }, { "ports", "PORT" }, { "proto", "PROTO" },	{ "ns", "NAMESPACE" },
		{ "to", "TO" }, { "address", "ADDRESS" }, { "share", "SHARE" }, { "packets", "PACKETS" }, {},
	};

	return cmd_list(cmd, argc, argv, rows, columns);
}
