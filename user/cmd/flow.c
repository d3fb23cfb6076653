// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp flow list, flush */
#include <errno.h>

#include "apply/apply.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "parse.h"
#include "state/state.h"

int cmd_flow_list(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "proto", "PROTO" },	  { "inside", "INSIDE" }, { "outside", "OUTSIDE" },
		{ "remote", "REMOTE" },	  { "ns", "NAMESPACE" },  { "kind", "KIND" },
		{ "state", "STATE" },	  { "expires", "EXPIRES" }, {},
	};

	return cmd_list(cmd, argc, argv, state_flows, columns);
}

/* The name of a namespace, or nothing. */
static int flush(struct instance *in, const char *name, struct fail *f)
{
	char key[NSX_NAME_LEN];
	struct nsx_ns ns;
	int err;

	if (name && (parse_name(name, key) || table_ns_get(in, key, &ns)))
		return fail(f, -ENOENT, "there is no such namespace (nsxdp ns list shows them)");
	err = name ? table_flush_ns(in, &ns) : table_flush(in, NULL);
	return err < 0 ? fail_errno(f, err, "cannot end the flows") : 0;
}

int cmd_flow_flush(const struct cmd *cmd, int argc, char **argv)
{
	const char *name = argc ? argv[0] : NULL;
	struct instance in;
	struct fail f;
	int err;

	if (argc > 1 || (name && name[0] == '-')) {
		fail(&f, -EINVAL, "unknown argument '%s'", argv[argc > 1 ? 1 : 0]);
		return cmd_usage(cmd, &f);
	}
	err = apply_open(&in, &f);
	if (!err) {
		err = flush(&in, name, &f);
		instance_close(&in);
	}
	return err ? cmd_failed(cmd, name, &f) : 0;
}
