// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp map add, del, list */
#include <arpa/inet.h>

#include "apply.h"
#include "cmd.h"
#include "output.h"
#include "state.h"

static int change(const struct cmd *cmd, int argc, char **argv, bool with_target,
		  int (*apply)(struct instance *, const struct map_conf *, struct fail *))
{
	struct instance in;
	struct map_conf c;
	struct fail f;
	int err;

	if (config_read_map(argc, argv, with_target, &c, &f))
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
	return change(cmd, argc, argv, true, apply_map_add);
}

int cmd_map_del(const struct cmd *cmd, int argc, char **argv)
{
	return change(cmd, argc, argv, false, apply_map_del);
}

int cmd_map_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "at", "AT" }, { "ports", "PORT" }, { "proto", "PROTO" },	{ "ns", "NAMESPACE" },
		{ "to", "TO" },	     { "address", "ADDRESS" }, {},
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
	return output_table(rows, columns);
}
