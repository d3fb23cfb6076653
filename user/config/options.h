/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of commands, as tables. One entry drives the parser, the help, the completion of
 * shells, the lines of "export" and the test that the manual page has it.
 */
#ifndef NSXDP_OPTIONS_H
#define NSXDP_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "fail.h"

/**
 * struct option_desc - an option
 * @name: without the dashes
 * @arg: what its value is called; in brackets where it may be left out, and then follows '=' only;
 *	NULL where it takes none
 * @help: what it does, in a sentence without a full stop
 * @given: its bit in the .given of what the words become
 * @verbs: which of the noun's commands take it, a bit for each
 * @letter: its short form, or 0
 * @repeats: it may be given again
 * @read: put the value (NULL: none) into what the words become. 0, or -EINVAL with the reason; the
 *	option and its value are named by the caller
 * @print: write it as words, each with a blank before it, where it is not the default; NULL: it is
 *	never kept
 */
struct option_desc {
	const char *name;
	const char *arg;
	const char *help;
	unsigned int given;
	unsigned int verbs;
	char letter;
	bool repeats;
	int (*read)(const char *value, void *conf, struct fail *f);
	void (*print)(const void *conf, FILE *out);
};

/**
 * struct grammar - what a command's words may be
 * @options: ended by one without a name; NULL: none
 * @verb: the bit of the command in option_desc.verbs
 * @word: put a word that is no option into what the words become; NULL: there is none
 *
 * What the words become is a struct whose first member is the unsigned int that the bits
 * option_desc.given are set in.
 */
struct grammar {
	const struct option_desc *options;
	unsigned int verb;
	int (*word)(const char *word, void *conf, struct fail *f);
};

/*
 * Read words into conf, which is zeroed but for its defaults. Returns 0, or -EINVAL with the
 * reason; conf is then not to be used.
 */
int options_read(const struct grammar *g, int argc, char **argv, void *conf, struct fail *f);

/* The first word that is no option, for error messages; NULL where there is none. */
const char *options_first_word(const struct grammar *g, int argc, char **argv);

/* The command takes this option. */
bool option_is_taken(const struct grammar *g, const struct option_desc *o);

/* "--name ARG", "-p ARG" or "--name[=ARG]", as help shows it. */
void option_print_usage(const struct option_desc *o, FILE *out);

/* Write what conf has as words, in the order of the table. */
void options_print(const struct grammar *g, const void *conf, FILE *out);

#endif
