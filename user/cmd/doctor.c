// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp doctor */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "state/state.h"

static bool is_broken(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (strcmp(json_string_value(json_object_get(row, "severity")), "broken") == 0)
			return true;
	return false;
}

int cmd_doctor(const struct cmd *cmd, int argc, char **argv)
{
	static const struct column columns[] = {
		{ "severity", "SEVERITY" }, { "object", "OBJECT" }, { "finding", "FINDING" },
		{ "advice", "ADVICE" },	    {},
	};
	struct instance in;
	struct fail f;
	json_t *rows;
	int err, broken;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	err = instance_open(&in, ACCESS_READ, &f);
	rows = state_findings(&in, err, &f);
	if (!err)
		instance_close(&in);
	if (!json_output && json_array_size(rows) == 0)
		puts("nothing is wrong");
	broken = is_broken(rows);
	return output_table(rows, columns) || broken;
}
