// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp confirm, undo */
#include "apply/apply.h"
#include "cmd/cmd.h"

int cmd_confirm(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	return apply_confirm(&f) ? cmd_failed(cmd, NULL, &f) : 0;
}

int cmd_undo(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	return apply_undo(&f) ? cmd_failed(cmd, NULL, &f) : 0;
}
