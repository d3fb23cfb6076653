// SPDX-License-Identifier: GPL-2.0-only
/* What commands say where they fail: in words, or as JSON. */
#include <stdarg.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "fail.h"

bool json_output;

void cmd_print_synopsis(FILE *out, const struct cmd *c)
{
	fprintf(out, "nsxdp %s%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
		*c->args ? " " : "", c->args,
		c->grammar && c->grammar->options ? " [OPTION]..." : "");
}

static void print_words(const struct cmd *cmd, const char *object)
{
	fprintf(stderr, "nsxdp: %s%s%s%s%s: ", cmd->noun, cmd->verb ? " " : "",
		cmd->verb ? cmd->verb : "", object ? " " : "", object ? object : "");
}

/* Words of users are not always UTF-8, which JSON is. */
static json_t *text_json(const char *text)
{
	json_t *ret = text ? json_string(text) : json_null();
	char ascii[sizeof(((struct fail *)0)->text)];
	size_t n = 0;

	if (ret)
		return ret;
	for (; text[n] && n + 1 < sizeof(ascii); n++)
		ascii[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
	ascii[n] = '\0';
	return json_string(ascii);
}

/* A line of standard error. */
static void print_json_line(json_t *object)
{
	if (object)
		json_dumpf(object, stderr, JSON_COMPACT | JSON_PRESERVE_ORDER);
	fputc('\n', stderr);
	json_decref(object);
}

/* {"command": "map add", "object": "6000", "error": "..."} */
static void print_json_error(const struct cmd *cmd, const char *object, const struct fail *f)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", cmd->noun, cmd->verb ? " " : "",
		 cmd->verb ? cmd->verb : "");
	print_json_line(json_pack("{s:s, s:o, s:o}", "command", name, "object", text_json(object),
				  "error", text_json(f->text)));
}

/* {"note": "..."} */
static void print_json_note(const char *text)
{
	print_json_line(json_pack("{s:o}", "note", text_json(text)));
}

void cmd_set_json(void)
{
	json_output = true;
	note_to(print_json_note);
}

int cmd_unknown(const char *format, ...)
{
	struct fail f;
	va_list ap;

	va_start(ap, format);
	vfail(&f, format, ap);
	va_end(ap);
	if (json_output)
		print_json_line(json_pack("{s:n, s:n, s:o}", "command", "object", "error",
					  text_json(f.text)));
	else
		fprintf(stderr, "nsxdp: %s\n", f.text);
	return EXIT_USAGE;
}

int cmd_failed(const struct cmd *cmd, const char *object, const struct fail *f)
{
	if (json_output) {
		print_json_error(cmd, object, f);
		return 1;
	}
	print_words(cmd, object);
	fprintf(stderr, "%s\n", f->text);
	return 1;
}

int cmd_usage(const struct cmd *cmd, const struct fail *f)
{
	if (json_output) {
		print_json_error(cmd, NULL, f);
		return EXIT_USAGE;
	}
	print_words(cmd, NULL);
	fprintf(stderr, "%s\nusage: ", f->text);
	cmd_print_synopsis(stderr, cmd);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int cmd_no_words(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;

	if (!argc)
		return 0;
	fail(&f, 0, "unknown argument '%s'", argv[0]);
	return cmd_usage(cmd, &f);
}
