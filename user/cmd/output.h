/* SPDX-License-Identifier: GPL-2.0-only */
/* What commands print: a JSON array of objects, which is also the source of the table. */
#ifndef NSXDP_OUTPUT_H
#define NSXDP_OUTPUT_H

#include <jansson.h>

/** struct column - of a table: an object's key and the title above it */
struct column {
	const char *key;
	const char *title;
};

/*
 * Print rows (an array of objects) as JSON where -j was given, else as a table of the columns
 * (ended by a NULL key). A missing value is "-". Takes over rows. Returns an exit status.
 */
int output_table(json_t *rows, const struct column *columns);

/* Print an object as JSON. Takes it over. Returns an exit status. */
int output_json(json_t *object);

#endif
