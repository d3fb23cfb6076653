// SPDX-License-Identifier: GPL-2.0-only
/* Tables and JSON. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "fail.h"
#include "cmd/output.h"

#define COLUMNS_MAX 16

int output_json(json_t *object)
{
	int err;

	if (!object) {
		note("cannot read the tables of the instance");
		return 1;
	}
	err = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(object);
	if (err) {
		note("cannot write JSON");
		return 1;
	}
	putchar('\n');
	return 0;
}

/* A cell as text, in buf where it has to be made. */
static const char *cell_text(const json_t *row, const char *key, char buf[32])
{
	const json_t *value = json_object_get(row, key);

	if (json_is_string(value))
		return *json_string_value(value) ? json_string_value(value) : "-";
	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (!json_is_integer(value))
		return "-";
	snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buf;
}

static void print_table(const json_t *rows, const struct column *columns)
{
	int width[COLUMNS_MAX] = {}, count = 0;
	const json_t *row;
	char buf[32];
	size_t i;

	for (; columns[count].key && count < COLUMNS_MAX; count++) {
		width[count] = strlen(columns[count].title);
		json_array_foreach(rows, i, row) {
			int len = strlen(cell_text(row, columns[count].key, buf));

			if (len > width[count])
				width[count] = len;
		}
	}
	for (int c = 0; c < count; c++)
		printf("%-*s%s", c + 1 < count ? width[c] : 0, columns[c].title,
		       c + 1 < count ? "  " : "\n");
	json_array_foreach(rows, i, row)
		for (int c = 0; c < count; c++)
			printf("%-*s%s", c + 1 < count ? width[c] : 0,
			       cell_text(row, columns[c].key, buf), c + 1 < count ? "  " : "\n");
}

int output_table(json_t *rows, const struct column *columns)
{
	if (!rows)
		return output_json(NULL);
	if (json_output)
		return output_json(rows);
	if (json_array_size(rows))
		print_table(rows, columns);
	json_decref(rows);
	return 0;
}
