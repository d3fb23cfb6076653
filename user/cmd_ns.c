// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp ns add, adopt, del, list, show */
#include <errno.h>
#include <string.h>

#include "apply.h"
#include "cmd.h"
#include "output.h"
#include "state.h"

static int make(const struct cmd *cmd, int argc, char **argv, bool with_dns,
		int (*apply)(struct instance *, const struct ns_conf *, struct fail *))
{
	struct instance in;
	struct ns_conf c;
	struct fail f;
	int err;

	if (config_read_ns(argc, argv, with_dns, &c, &f))
		return cmd_usage(cmd, &f);
	err = instance_open(&in, ACCESS_CHANGE, &f);
	if (!err) {
		err = apply(&in, &c, &f);
		instance_close(&in);
	}
	return err ? cmd_failed(cmd, c.name, &f) : 0;
}

int cmd_ns_add(const struct cmd *cmd, int argc, char **argv)
{
	return make(cmd, argc, argv, true, apply_ns_add);
}

int cmd_ns_adopt(const struct cmd *cmd, int argc, char **argv)
{
	return make(cmd, argc, argv, false, apply_ns_adopt);
}

int cmd_ns_del(const struct cmd *cmd, int argc, char **argv)
{
	char *words[1];
	int count = 0;
	bool force = false;
	struct instance in;
	struct ns_conf c;
	struct fail f;
	int err;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--force") == 0)
			force = true;
		else if (count == 0)
			words[count++] = argv[i];
		else
			return cmd_no_words(cmd, 1, argv + i);
	}
	if (config_read_ns(count, words, false, &c, &f))
		return cmd_usage(cmd, &f);
	err = instance_open(&in, ACCESS_CHANGE, &f);
	if (!err) {
		err = apply_ns_del(&in, c.name, force, &f);
		instance_close(&in);
	}
	return err ? cmd_failed(cmd, c.name, &f) : 0;
}

int cmd_ns_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "name", "NAME" },	{ "address", "ADDRESS" }, { "gateway", "GATEWAY" },
		{ "host_if", "VETH" },	{ "datapath", "DATAPATH" }, { "netns", "NETNS" },
		{ "state", "STATE" },	{},
	};

	return cmd_list(cmd, argc, argv, state_ns_list, columns);
}

static void print_ns(const json_t *ns)
{
	const char *key;
	const json_t *value;
	size_t i;

	json_object_foreach((json_t *)ns, key, value) {
		if (json_is_string(value))
			printf("%-11s %s\n", key, json_string_value(value));
		else if (json_integer_value(value))
			printf("%-11s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
	}
	json_array_foreach(json_object_get(ns, "ports"), i, value)
		printf("%-11s %s/%s to %s\n", i ? "" : "ports", json_string_value(json_object_get(value, "ports")),
		       json_string_value(json_object_get(value, "proto")),
		       json_string_value(json_object_get(value, "to")));
}

int cmd_ns_show(const struct cmd *cmd, int argc, char **argv)
{
	struct instance in;
	struct ns_conf c;
	struct nsx_ns ns;
	json_t *object;
	struct fail f;
	int err;

	if (config_read_ns(argc, argv, false, &c, &f))
		return cmd_usage(cmd, &f);
	err = instance_open(&in, ACCESS_READ, &f);
	if (err)
		return cmd_failed(cmd, c.name, &f);
	if (table_ns_get(&in, c.name, &ns)) {
		instance_close(&in);
		fail(&f, -ENOENT, "there is no such namespace (nsxdp ns list shows them)");
		return cmd_failed(cmd, c.name, &f);
	}
	object = state_ns(&in, c.name, &ns);
	json_object_set_new(object, "ports", state_maps(&in, ns.id));
	instance_close(&in);
	if (json_output || !object)
		return output_json(object);
	print_ns(object);
	json_decref(object);
	return 0;
}
