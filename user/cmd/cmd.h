/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands: what main dispatches to. */
#ifndef NSXDP_CMD_H
#define NSXDP_CMD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "config/options.h"

#define EXIT_USAGE 2

/** struct cmd - a command: "noun verb", or a noun alone where verb is NULL */
struct cmd {
	const char *noun;
	const char *verb;
	/* Gets the words behind the verb; returns an exit status. */
	int (*run)(const struct cmd *cmd, int argc, char **argv);
	const struct grammar *grammar;	/* its options; NULL: none */
	const char *args;	/* its other words */
	const char *help;	/* one sentence or more, without the trailing newline */
};

/* Set by -j: print JSON, notes and errors too. */
extern bool json_output;
void cmd_set_json(void);

int cmd_up(const struct cmd *cmd, int argc, char **argv);
int cmd_down(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_add(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_set(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_adopt(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_del(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_list(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_show(const struct cmd *cmd, int argc, char **argv);
int cmd_ns_exec(const struct cmd *cmd, int argc, char **argv);
int cmd_map_add(const struct cmd *cmd, int argc, char **argv);
int cmd_map_set(const struct cmd *cmd, int argc, char **argv);
int cmd_map_del(const struct cmd *cmd, int argc, char **argv);
int cmd_map_list(const struct cmd *cmd, int argc, char **argv);
int cmd_flow_list(const struct cmd *cmd, int argc, char **argv);
int cmd_flow_flush(const struct cmd *cmd, int argc, char **argv);
int cmd_ports(const struct cmd *cmd, int argc, char **argv);
int cmd_status(const struct cmd *cmd, int argc, char **argv);
int cmd_apply(const struct cmd *cmd, int argc, char **argv);
int cmd_diff(const struct cmd *cmd, int argc, char **argv);
int cmd_export(const struct cmd *cmd, int argc, char **argv);
int cmd_save(const struct cmd *cmd, int argc, char **argv);
int cmd_confirm(const struct cmd *cmd, int argc, char **argv);
int cmd_undo(const struct cmd *cmd, int argc, char **argv);
int cmd_completion(const struct cmd *cmd, int argc, char **argv);
int cmd_doctor(const struct cmd *cmd, int argc, char **argv);
int cmd_features(const struct cmd *cmd, int argc, char **argv);

/*
 * Report a failure the way every command does, "nsxdp: map add 6000: reason", and return the exit
 * status: 2 for a usage error (with the usage), else 1. object may be NULL.
 */
struct fail;
int cmd_failed(const struct cmd *cmd, const char *object, const struct fail *f);
int cmd_usage(const struct cmd *cmd, const struct fail *f);

/* Report words that make no command; returns the exit status. */
int cmd_unknown(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "nsxdp map add [ADDR|DEV:]PORT NS:PORT [OPTION]..." */
void cmd_print_synopsis(FILE *out, const struct cmd *c);

/* A usage error where a command that takes no words got some; 0 where it got none. */
int cmd_no_words(const struct cmd *cmd, int argc, char **argv);

/*
 * Print rows of the instance: a table of these columns, or JSON with -j; for commands that take no
 * words. show.c
 */
struct instance;
struct column;
int cmd_list(const struct cmd *cmd, int argc, char **argv, json_t *(*rows)(struct instance *),
	     const struct column *columns);

/* Those of commands whose words are no part of the model. */
extern const struct grammar down_grammar, ns_del_grammar, ns_exec_grammar, apply_grammar,
	diff_grammar, save_grammar;

/* The steps from one model to the other, carried out. show.c */
struct config;
int cmd_change(struct instance *in, const struct config *running, const struct config *wanted,
	       struct fail *f);

#endif
