// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp up, nsxdp down */
#include <stddef.h>

#include "apply/apply.h"
#include "cmd/cmd.h"

int cmd_up(const struct cmd *cmd, int argc, char **argv)
{
	struct up_conf c;
	struct fail f;

	if (config_read_up(argc, argv, &c, &f))
		return cmd_usage(cmd, &f);
	return (c.confirm ? apply_up_confirmed(&c, &f) : apply_up(&c, &f))
		       ? cmd_failed(cmd, NULL, &f)
		       : 0;
}

#define DOWN_KEEP_NS	1
#define DOWN_ORPHANS	2

static const struct option_desc down_options[] = {
	{ "keep-ns", NULL, "leave the namespaces and their links", DOWN_KEEP_NS, 1, 0, false, NULL,
	  NULL },
	{ "orphans", NULL,
	  "remove what is left of instances whose network namespaces are gone, and nothing of this one",
	  DOWN_ORPHANS, 1, 0, false, NULL, NULL },
	{},
};

const struct grammar down_grammar = { down_options, 1, NULL };

int cmd_down(const struct cmd *cmd, int argc, char **argv)
{
	unsigned int given = 0;
	struct fail f;

	if (options_read(&down_grammar, argc, argv, &given, &f))
		return cmd_usage(cmd, &f);
	if (given == (DOWN_KEEP_NS | DOWN_ORPHANS)) {
		fail(&f, 0, "--keep-ns: not with --orphans");
		return cmd_usage(cmd, &f);
	}
	if (given & DOWN_ORPHANS)
		return apply_down_orphans(&f) ? cmd_failed(cmd, NULL, &f) : 0;
	return apply_down(given & DOWN_KEEP_NS, &f) ? cmd_failed(cmd, NULL, &f) : 0;
}
