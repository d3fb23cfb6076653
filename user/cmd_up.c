// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp up, nsxdp down */
#include <stddef.h>
#include <string.h>

#include "apply.h"
#include "cmd.h"

int cmd_up(const struct cmd *cmd, int argc, char **argv)
{
	struct up_conf c;
	struct fail f;

	if (config_read_up(argc, argv, &c, &f))
		return cmd_usage(cmd, &f);
	return apply_up(&c, &f) ? cmd_failed(cmd, NULL, &f) : 0;
}

int cmd_down(const struct cmd *cmd, int argc, char **argv)
{
	bool keep_ns = argc == 1 && strcmp(argv[0], "--keep-ns") == 0;
	struct fail f;

	if (argc && !keep_ns)
		return cmd_no_words(cmd, argc, argv);
	return apply_down(keep_ns, &f) ? cmd_failed(cmd, NULL, &f) : 0;
}
