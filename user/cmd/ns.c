// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp ns add, adopt, set, del, list, show */
#include <errno.h>
#include <string.h>

#include "apply/apply.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "config/edit.h"
#include "kernel/netns.h"
#include "state/read.h"
#include "state/state.h"

typedef int (*edit_ns)(struct config *c, const struct ns_conf *wanted, struct fail *f);

/* What runs under this name, what is wanted, and the difference. */
static int change(struct instance *in, const struct ns_conf *c, edit_ns edit, struct fail *f)
{
	struct config running = {}, wanted = {};
	int err = read_ns(in, c->name, &running, f);

	if (!err)
		err = read_ns(in, c->name, &wanted, f);
	if (!err)
		err = edit(&wanted, c, f);
	if (!err)
		err = cmd_change(in, &running, &wanted, f);
	config_free(&running);
	config_free(&wanted);
	return err;
}

static int run(const struct cmd *cmd, int argc, char **argv, enum verb verb, edit_ns edit)
{
	struct instance in;
	struct ns_conf c;
	struct fail f;
	int err;

	if (config_read_ns(argc, argv, verb, &c, &f))
		return cmd_usage(cmd, &f);
	err = apply_open(&in, &f);
	if (!err) {
		if (verb == NS_ADOPT && !netns_exists(c.name))
			err = fail(&f, -ENOENT,
				   "there is no such namespace (ip netns list shows them)");
		if (!err && verb != NS_SET)
			err = apply_ns_clear(&in, c.name, &f);
		if (!err)
			err = change(&in, &c, edit, &f);
		instance_close(&in);
	}
	return err < 0 ? cmd_failed(cmd, c.name, &f) : 0;
}

int cmd_ns_add(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, NS_ADD, edit_ns_add);
}

int cmd_ns_adopt(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, NS_ADOPT, edit_ns_add);
}

int cmd_ns_set(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, NS_SET, edit_ns_set);
}

static int read_with_ports(struct instance *in, const char *name, __u32 id, struct config *ret,
			   struct fail *f)
{
	int err = read_ns(in, name, ret, f);

	return err ? err : read_ports_of(in, id, ret, f);
}

static int del(struct instance *in, const char *name, bool force, struct fail *f)
{
	struct config running = {}, wanted = {};
	struct nsx_ns ns;
	int err = table_ns_get(in, name, &ns);

	if (err && err != -ENOENT)
		return fail_errno(f, err, "cannot read the table of names");
	if (err) {
		if (netns_exists(name))
			return fail(f, -EPERM,
				    "this namespace is not nsxdp's: ip netns del %s removes it",
				    name);
		note("ns del %s: there is no such namespace", name);
		return 0;
	}
	err = read_with_ports(in, name, ns.id, &running, f);
	if (!err)
		err = read_with_ports(in, name, ns.id, &wanted, f);
	if (!err)
		err = edit_ns_del(&wanted, name, force, f);
	if (!err) {
		err = apply_ns_mark(in, name, true);
		if (err)
			fail_errno(f, err, "cannot write the table of names");
		else
			err = cmd_change(in, &running, &wanted, f);
		if (err)
			apply_ns_mark(in, name, false);
	}
	config_free(&running);
	config_free(&wanted);
	return err;
}

/* What "ns del" takes. */
struct del_conf {
	unsigned int given;	/* 1: force */
	struct ns_conf ns;
};

static int read_del_name(const char *word, void *conf, struct fail *f)
{
	struct del_conf *c = conf;

	return ns_name_grammar.word(word, &c->ns, f);
}

static const struct option_desc del_options[] = {
	{ "force", NULL, "remove the ports that are published to it too", 1, NS_DEL, 0, false, NULL,
	  NULL },
	{},
};

const struct grammar ns_del_grammar = { del_options, NS_DEL, read_del_name };

int cmd_ns_del(const struct cmd *cmd, int argc, char **argv)
{
	struct del_conf c = {};
	struct instance in;
	struct fail f;
	int err = options_read(&ns_del_grammar, argc, argv, &c, &f);

	if (!err && !c.ns.name[0])
		err = fail(&f, -EINVAL, "the namespace's name is missing");
	if (err)
		return cmd_usage(cmd, &f);
	err = apply_open(&in, &f);
	if (!err) {
		err = del(&in, c.ns.name, c.given, &f);
		instance_close(&in);
	}
	return err ? cmd_failed(cmd, c.ns.name, &f) : 0;
}

int cmd_ns_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "name", "NAME" },	{ "address", "ADDRESS" }, { "gateway", "GATEWAY" },
		{ "host_if", "LINK" },	{ "datapath", "DATAPATH" }, { "netns", "NETNS" },
		{ "address6", "ADDRESS6" }, { "state", "STATE" }, {},
	};

	return cmd_list(cmd, argc, argv, state_ns_list, columns);
}

static void print_ns(const json_t *ns)
{
	static const char *const lists[] = { "dns", "egress_allow", "egress_deny" };
	const char *key;
	const json_t *value;
	size_t i;

	json_object_foreach((json_t *)ns, key, value) {
		if (json_is_string(value))
			printf("%-11s %s\n", key, json_string_value(value));
		else if (json_integer_value(value))
			printf("%-11s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
		else if (json_is_true(value))
			printf("%-11s yes\n", key);
	}
	for (size_t n = 0; n < sizeof(lists) / sizeof(lists[0]); n++)
		json_array_foreach(json_object_get(ns, lists[n]), i, value)
			printf("%-11s %s\n", i ? "" : lists[n], json_string_value(value));
	json_array_foreach(json_object_get(ns, "ports"), i, value)
		printf("%-11s %s/%s to %s\n", i ? "" : "ports",
		       json_string_value(json_object_get(value, "ports")),
		       json_string_value(json_object_get(value, "proto")),
		       json_string_value(json_object_get(value, "to")));
}

int cmd_ns_show(const struct cmd *cmd, int argc, char **argv)
{
	struct instance in;
	struct ns_conf c;
	struct health h;
	struct nsx_ns ns;
	json_t *object;
	struct fail f;
	int err;

	if (config_read_ns(argc, argv, NS_NAME, &c, &f))
		return cmd_usage(cmd, &f);
	err = instance_open(&in, ACCESS_READ, &f);
	if (err)
		return cmd_failed(cmd, c.name, &f);
	err = table_ns_get(&in, c.name, &ns);
	if (err == -ENOENT)
		fail(&f, err, "there is no such namespace (nsxdp ns list shows them)");
	else if (err || (err = health_read(&in, &h)) != 0)
		fail_errno(&f, err, "cannot read what runs");
	if (err) {
		instance_close(&in);
		return cmd_failed(cmd, c.name, &f);
	}
	object = state_ns(&h, c.name, &ns);
	health_free(&h);
	json_object_set_new(object, "ports", state_maps(&in, ns.id, NULL));
	instance_close(&in);
	if (json_output || !object)
		return output_json(object);
	print_ns(object);
	json_decref(object);
	return 0;
}
