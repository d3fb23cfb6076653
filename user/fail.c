// SPDX-License-Identifier: GPL-2.0-only
/* Reasons of failures and notes to the user. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

/* Words of files and of other programs are not to command the terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void vfail(struct fail *f, const char *format, va_list ap)
{
	vsnprintf(f->text, sizeof(f->text), format, ap);
	make_printable(f->text);
}

int fail(struct fail *f, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfail(f, format, ap);
	va_end(ap);
	return code;
}

int fail_errno(struct fail *f, int code, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	vfail(f, format, ap);
	va_end(ap);
	n = strlen(f->text);
	snprintf(f->text + n, sizeof(f->text) - n, ": %s", strerror(-code));
	return code;
}

void fail_hint(struct fail *f, const char *hint)
{
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s", hint);
}

static void print_note(const char *text)
{
	fprintf(stderr, "nsxdp: %s\n", text);
}

static note_cb printer = print_note;

void note_to(note_cb cb)
{
	printer = cb;
}

void note(const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	make_printable(text);
	printer(text);
}
