// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp ports, status, features, and what all lists have in common */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apply/apply.h"
#include "cmd/cmd.h"
#include "kernel/feature.h"
#include "cmd/output.h"
#include "state/state.h"

int cmd_list(const struct cmd *cmd, int argc, char **argv, json_t *(*rows)(struct instance *),
	     const struct column *columns)
{
	struct instance in;
	json_t *list;
	struct fail f;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	if (instance_open(&in, ACCESS_READ, &f))
		return cmd_failed(cmd, NULL, &f);
	list = rows(&in);
	instance_close(&in);
	if (list)
		return output_table(list, columns);
	fail(&f, -EIO, "cannot read all of it");
	return cmd_failed(cmd, NULL, &f);
}

int cmd_change(struct instance *in, const struct config *running, const struct config *wanted,
	       struct fail *f)
{
	struct steps steps;
	int err = config_diff(running, wanted, false, &steps);

	if (err)
		return fail_errno(f, err, "cannot plan the change");
	err = apply_steps(in, &steps, f);
	steps_free(&steps);
	return err;
}

int cmd_ports(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "proto", "PROTO" },
		{ "ports", "PORT" },
		{ "owner", "OWNER" },
		{ "family", "FAMILY" },
		{ "reason", "REASON" },
		{},
	};

	return cmd_list(cmd, argc, argv, state_ports, columns);
}

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_status(const json_t *s)
{
	const json_t *local = json_object_get(s, "addresses"),
		     *table = json_object_get(s, "session_table");
	const json_t *addr, *uplink;
	size_t i;

	json_array_foreach(json_object_get(s, "uplinks"), i, uplink) {
		const char *state = json_string_value(json_object_get(uplink, "state"));

		printf("%s%s", i ? " " : "uplink      ",
		       json_string_value(json_object_get(uplink, "name")));
		if (strcmp(state, "attached"))
			printf(" (%s)", state);
	}
	json_array_foreach(local, i, addr)
		printf("%s%s", i ? ", " : "\naddresses   ", json_string_value(addr));
	printf("\nmode        %s: %s", json_string_value(json_object_get(s, "mode")),
	       json_string_value(json_object_get(s, "mode_reason")));
	json_array_foreach(json_object_get(s, "kernel_lacks"), i, addr)
		printf("%s%s", i ? ", " : "\nkernel      lacks ", json_string_value(addr));
	printf("\npool        %s\n", json_string_value(json_object_get(s, "pool")));
	if (json_string_value(json_object_get(s, "pool6")))
		printf("pool6       %s%s%s\n", json_string_value(json_object_get(s, "pool6")),
		       strcmp(json_string_value(json_object_get(s, "ipv6")), "routed") ? "" : ", routed",
		       json_is_true(json_object_get(s, "ipv6_way_out"))
			       ? ""
			       : ", without a default route: no uplink has a global IPv6 address");
	printf("masquerade  ports %s", json_string_value(json_object_get(s, "masquerade_ports")));
	json_array_foreach(json_object_get(s, "snat"), i, addr)
		printf("%s%s", i ? ", " : ", from ", json_string_value(addr));
	putchar('\n');
	if (!json_is_true(json_object_get(s, "routes_told")))
		puts("routes      the kernel does not tell them, until nsxdp up is run again");
	if (!json_is_true(json_object_get(s, "reassembly")))
		puts("fragments   of namespaces are lost and nothing is cut: nsx.fib is down, or the kernel cannot reassemble");
	printf("host-local  %s\n", json_string_value(json_object_get(s, "host_local")));
	printf("bind guard  %s\n", json_is_true(json_object_get(s, "bind_guard")) ? "yes" : "no");
	printf("namespaces  %" JSON_INTEGER_FORMAT "\n",
	       json_integer_value(json_object_get(s, "namespaces")));
	printf("published   %" JSON_INTEGER_FORMAT " ports\n",
	       json_integer_value(json_object_get(s, "published_ports")));
	printf("flows       %" JSON_INTEGER_FORMAT "\n",
	       json_integer_value(json_object_get(s, "flows")));
	if (number(s, "confirm_seconds"))
		printf("change      waiting to be confirmed, %lld seconds left: nsxdp confirm, or nsxdp undo\n",
		       number(s, "confirm_seconds"));
	if (number(s, "orphans"))
		printf("orphans     %lld instances of network namespaces that are gone: nsxdp down --orphans\n",
		       number(s, "orphans"));
	printf("table       %lld of %lld in use, %lld at most; gave way: %lld closed, %lld unanswered\n",
	       number(table, "used"), number(table, "room"), number(table, "most"),
	       number(table, "gave_way_closed"), number(table, "gave_way_unanswered"));
}

int cmd_status(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "from", "FROM" },   { "verdict", "VERDICT" }, { "packets", "PACKETS" },
		{ "bytes", "BYTES" }, { "meaning", "MEANING" }, {},
	};
	struct instance in;
	json_t *status;
	struct fail f;
	int ret;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	if (instance_open(&in, ACCESS_READ, &f))
		return cmd_failed(cmd, NULL, &f);
	status = state_status(&in);
	instance_close(&in);
	if (json_output || !status)
		return output_json(status);
	print_status(status);
	if (json_array_size(json_object_get(status, "verdicts")))
		putchar('\n');
	ret = output_table(json_incref(json_object_get(status, "verdicts")), columns);
	json_decref(status);
	return ret;
}

int cmd_features(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "feature", "FEATURE" },
		{ "since", "SINCE" },
		{ "here", "HERE" },
		{ "instead", "WITHOUT IT" },
		{},
	};
	json_t *rows;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	rows = json_array();
	for (int i = 0; i < FEATURES; i++) {
		const struct feature_info *info = feature_info(i);

		json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:s}", "feature", info->name,
						      "since", info->since, "here", feature_has(i),
						      "instead", info->instead));
	}
	return output_table(rows, columns);
}
