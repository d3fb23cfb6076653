/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of commands, one a line: "up", "ns add", "ns adopt" and "map add" with their words, and
 * "include DIR" for all files *.conf there, by name. "#" begins a comment. It says what is to be,
 * so the order of its lines means nothing.
 */
#ifndef NSXDP_FILE_H
#define NSXDP_FILE_H

#include "config/config.h"

/*
 * Read a file, "-" for the standard input, into a sorted model. Targets may be in its namespaces,
 * and in those of others, which may be NULL. Every error is written to errors, a line each:
 * "FILE:LINE: reason". Returns how many there were, or -ENOMEM; the model is to be freed in any
 * case.
 */
int config_read_file(const char *path, const struct config *others, struct config *ret,
		     FILE *errors);

/* The same of a text that is in memory. */
int config_read_text(const char *text, struct config *ret, FILE *errors);

/* Write the model as such a file. */
void config_print(const struct config *c, FILE *out);

#endif
