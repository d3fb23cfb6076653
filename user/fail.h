/* SPDX-License-Identifier: GPL-2.0-only */
/* How a helper reports: a negative errno, and a sentence for the command to print, once. */
#ifndef NSXDP_FAIL_H
#define NSXDP_FAIL_H

#include <stdarg.h>

/** struct fail - why something failed, in words without a trailing full stop */
struct fail {
	char text[512];
};

/**
 * fail() - set the reason
 * @code: a negative errno
 *
 * Return: code, so that a helper can end with "return fail(...)".
 */
int fail(struct fail *f, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

void vfail(struct fail *f, const char *format, va_list ap);

/* The same with ": " and the text of code behind it. */
int fail_errno(struct fail *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Append advice to the reason. */
void fail_hint(struct fail *f, const char *hint);

/*
 * Tell the operator something that is no failure, at once: it may be about something that the
 * command waits for.
 */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Who prints notes; without it they go to standard error, behind "nsxdp: ". */
typedef void (*note_cb)(const char *text);
void note_to(note_cb cb);

#endif
