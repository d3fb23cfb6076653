/* SPDX-License-Identifier: GPL-2.0-only */
/* How a helper reports: a negative errno, and a sentence for the command to print, once. */
#ifndef NSXDP_FAIL_H
#define NSXDP_FAIL_H

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

/* The same with ": " and the text of code behind it. */
int fail_errno(struct fail *f, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Print "nsxdp: " and the words to stderr, for a command's notes. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
