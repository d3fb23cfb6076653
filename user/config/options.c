// SPDX-License-Identifier: GPL-2.0-only
/* Words by a table of options: getopt_long(3) finds them, the table says what they mean. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"

#define OPTIONS_MAX 32
#define LETTERS_MAX (2 * OPTIONS_MAX + 3)

bool option_is_taken(const struct grammar *g, const struct option_desc *o)
{
	return (o->verbs & g->verb) != 0;
}

static int arg_kind(const struct option_desc *o)
{
	if (!o->arg)
		return no_argument;
	return o->arg[0] == '[' ? optional_argument : required_argument;
}

/* The table in the forms that getopt_long() takes; a long option's .val is its place plus 256. */
static void to_getopt(const struct grammar *g, struct option longs[OPTIONS_MAX + 1],
		      char letters[LETTERS_MAX])
{
	int count = 0;

	/* Other words as they come, and silence. */
	letters += sprintf(letters, "-:");
	for (int i = 0; g->options && g->options[i].name && count < OPTIONS_MAX; i++) {
		const struct option_desc *o = &g->options[i];

		if (!option_is_taken(g, o))
			continue;
		longs[count++] = (struct option){ o->name, arg_kind(o), NULL, 256 + i };
		if (o->letter)
			letters += sprintf(letters, "%c%s", o->letter, o->arg ? ":" : "");
	}
	longs[count] = (struct option){};
}

static const struct option_desc *option_find(const struct grammar *g, int code)
{
	if (code >= 256)
		return &g->options[code - 256];
	for (const struct option_desc *o = g->options; o && o->name; o++)
		if (o->letter == code && option_is_taken(g, o))
			return o;
	return NULL;
}

/*
 * getopt_long() takes the beginning of a name for the name; users of scripts would come to rely on
 * it.
 */
static int check_names(const struct option *longs, int argc, char **argv, struct fail *f)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--"); i++) {
		size_t len = strcspn(argv[i], "=") - 2;
		const struct option *o = longs;

		if (strncmp(argv[i], "--", 2))
			continue;
		while (o->name && (strlen(o->name) != len || strncmp(o->name, argv[i] + 2, len)))
			o++;
		if (!o->name)
			return fail(f, -EINVAL, "unknown option '%.*s'", (int)len + 2, argv[i]);
		if (o->has_arg == no_argument && argv[i][len + 2])
			return fail(f, -EINVAL, "--%s takes no value", o->name);
	}
	return 0;
}

static int read_option(const struct option_desc *o, const char *value, void *conf, struct fail *f)
{
	const char *equals = o->arg && o->arg[0] == '[' ? "=" : " ";
	unsigned int *given = conf;
	struct fail why;
	char name[32];

	if (o->letter)
		snprintf(name, sizeof(name), "-%c", o->letter);
	else
		snprintf(name, sizeof(name), "--%s", o->name);
	if ((*given & o->given) && !o->repeats)
		return fail(f, -EINVAL, "%s is given twice", name);
	if (o->read && o->read(value, conf, &why))
		return fail(f, -EINVAL, "%s%s%s: %s", name, value ? equals : "", value ? value : "",
			    why.text);
	*given |= o->given;
	return 0;
}

static int read_word(const struct grammar *g, const char *word, void *conf, struct fail *f)
{
	return g->word ? g->word(word, conf, f) : fail(f, -EINVAL, "unknown argument '%s'", word);
}

static int read_all(const struct grammar *g, int argc, char **argv, void *conf, struct fail *f)
{
	struct option longs[OPTIONS_MAX + 1];
	char letters[LETTERS_MAX];
	int code, err;

	to_getopt(g, longs, letters);
	err = check_names(longs, argc - 1, argv + 1, f);
	optind = 0;
	while (!err && (code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const char *last = argv[optind - 1];

		if (code == 1)
			err = read_word(g, optarg, conf, f);
		else if (code == ':')
			err = fail(f, -EINVAL, "%s needs a value", last);
		else if (code == '?')
			err = fail(f, -EINVAL, "unknown option '-%c'", optopt);
		else
			err = read_option(option_find(g, code), optarg, conf, f);
	}
	for (int i = optind; i < argc && !err; i++)
		err = read_word(g, argv[i], conf, f);
	return err;
}

int options_read(const struct grammar *g, int argc, char **argv, void *conf, struct fail *f)
{
	char **words = calloc(argc + 2, sizeof(*words));
	int err;

	if (!words)
		return fail_errno(f, -ENOMEM, "cannot read the command");
	words[0] = "nsxdp";	/* getopt() begins with the second */
	memcpy(words + 1, argv, argc * sizeof(*words));
	err = read_all(g, argc + 1, words, conf, f);
	free(words);
	return err;
}

const char *options_first_word(const struct grammar *g, int argc, char **argv)
{
	char **words = calloc(argc + 2, sizeof(*words)), letters[LETTERS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	const char *ret = NULL;
	int code = 0;

	if (!words)
		return NULL;
	words[0] = "nsxdp";
	memcpy(words + 1, argv, argc * sizeof(*words));
	to_getopt(g, longs, letters);
	optind = 0;
	while (!ret && (code = getopt_long(argc + 1, words, letters, longs, NULL)) != -1)
		if (code == 1)
			ret = optarg;
	if (!ret && optind <= argc)
		ret = words[optind];
	free(words);
	return ret;
}

void option_print_usage(const struct option_desc *o, FILE *out)
{
	if (o->letter)
		fprintf(out, "-%c%s%s", o->letter, o->arg ? " " : "", o->arg ? o->arg : "");
	else if (o->arg && o->arg[0] == '[')
		fprintf(out, "--%s[=%s", o->name, o->arg + 1);
	else
		fprintf(out, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

void options_print(const struct grammar *g, const void *conf, FILE *out)
{
	for (const struct option_desc *o = g->options; o && o->name; o++)
		if (option_is_taken(g, o) && o->print)
			o->print(conf, out);
}
