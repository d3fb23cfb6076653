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
static json_t *lines(json_t *maps)
{
	json_t *map, *target, *rows = json_array();
	size_t i, n;

	json_array_foreach(maps, i, map) {
		const json_t *targets = json_object_get(map, "targets"), *draining = json_object_get(map, "draining");

		if (!targets)
			json_array_append(rows, map);
		json_array_foreach(targets, n, target) {
			json_t *row = json_copy(map);
			char share[8];

			json_object_update(row, target);
			snprintf(share, sizeof(share), "%d%%", (int)json_integer_value(json_object_get(target, "share")));
			json_object_set_new(row, "share", json_string(share));
			json_array_append_new(rows, row);
		}
		json_array_foreach(draining, n, target) {
			json_t *row = json_copy(map);

			json_object_update(row, target);
			json_object_set_new(row, "share", json_string("drains"));
			json_array_append_new(rows, row);
		}
	}
	json_decref(maps);
	return rows;
}

int cmd_map_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "at", "AT" }, { "ports", "PORT" }, { "proto", "PROTO" },	{ "ns", "NAMESPACE" },
		{ "to", "TO" }, { "address", "ADDRESS" }, { "share", "SHARE" }, { "packets", "PACKETS" }, {},
	};
	struct instance in;
	json_t *rows;
	struct fail f;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	if (instance_open(&in, ACCESS_READ, &f))
		return cmd_failed(cmd, NULL, &f);
	rows = state_maps(&in, 0);
	instance_close(&in);
	return output_table(json_output ? rows : lines(rows), columns);
}
