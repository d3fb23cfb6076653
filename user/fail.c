// SPDX-License-Identifier: GPL-2.0-only
/* Reasons of failures and notes to the user. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

int fail(struct fail *f, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	return code;
}

int fail_errno(struct fail *f, int code, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	n = strlen(f->text);
	snprintf(f->text + n, sizeof(f->text) - n, ": %s", strerror(-code));
	return code;
}

void note(const char *format, ...)
{
	va_list ap;

	fputs("nsxdp: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}
