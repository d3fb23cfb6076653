// SPDX-License-Identifier: GPL-2.0-only
/*
 * LD_PRELOAD: one call of bpf(2) fails with ENOMEM. FAULT="COMMAND NTH" in the environment says
 * which: the NTH call of a command, by its number in enum bpf_cmd, or of any command where that
 * is -1.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

static int is_to_fail(long command)
{
	static int which, nth;
	const char *fault = getenv("FAULT");

	if (!nth && (!fault || sscanf(fault, "%d %d", &which, &nth) != 2))
		return 0;
	return (which < 0 || which == command) && --nth == 0;
}

long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"), arg[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf && is_to_fail(arg[0])) {
		errno = ENOMEM;
		return -1;
	}
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
