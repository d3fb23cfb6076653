// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends a command in the middle of its work: at its Nth system call it is killed before the call, or
 * the call fails. So a walk over N meets every point at which the kernel's state can be left half
 * changed.
 *
 *   crash N COMMAND [ARG]...		kill it at its Nth call
 *   crash N:ERRNO COMMAND [ARG]...	that call fails, as ENOMEM
 *   crash getrandom COMMAND [ARG]...	kill it at its first call of getrandom(2)
 *
 * Calls are counted from the one on that opens the BPF file system's directory of the instance:
 * what comes before, loading the program and reading its words, changes nothing. Exits with 99
 * where the command was killed, with 98 where it made fewer calls than that and 0 or its own status
 * otherwise, with the number of calls on standard error's last line.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED 99
#define NOT_REACHED 98

static const struct {
	const char *name;
	int number;
} errors[] = { { "ENOMEM", ENOMEM },
	       { "EMFILE", EMFILE },
	       { "ENOSPC", ENOSPC },
	       { "EPERM", EPERM },
	       { "EINTR", EINTR } };

/* What a system call is, on either architecture. */
#ifdef __x86_64__
static long call_number(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, orig_rax), NULL);
}

static void call_skip(pid_t pid)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void call_return(pid_t pid, long value)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), value);
}
#else
#error "crash walks are made on x86 only"
#endif

/* Memory and the end of the process cannot fail in ways that mean anything here. */
static int is_of_interest(long number)
{
	return number != SYS_brk && number != SYS_munmap && number != SYS_exit_group &&
	       number != SYS_close && number != SYS_rt_sigprocmask && number != SYS_write;
}

static int error_number(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].number;
	fprintf(stderr, "crash: unknown error '%s'\n", name);
	exit(2);
}

static int trace(pid_t pid, long target, long call, int error)
{
	int status, entering = 0, counting = 0, failing = 0;
	long count = 0;

	while (waitpid(pid, &status, 0) == pid) {
		int signal = 0;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			fprintf(stderr, "%ld\n", count);
			if (WIFSIGNALED(status))
				return 128 + WTERMSIG(status);
			return count < target ? NOT_REACHED : WEXITSTATUS(status);
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			entering = !entering;
			/* The lock of the instance is where changes begin. */
			if (entering && call_number(pid) == SYS_flock)
				counting = 1;
			else if (entering && counting && is_of_interest(call_number(pid)) &&
				 (++count == target || call_number(pid) == call)) {
				if (!error) {
					kill(pid, SIGKILL);
					waitpid(pid, &status, 0);
					return KILLED;
				}
				call_skip(pid);
				failing = 1;
			} else if (!entering && failing) {
				call_return(pid, -error);
				failing = 0;
			}
		} else if (WSTOPSIG(status) != SIGTRAP) {
			signal = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, signal);
	}
	return 2;
}

int main(int argc, char **argv)
{
	const char *colon = argc > 2 ? strchr(argv[1], ':') : NULL;
	int status;
	pid_t pid;

	if (argc < 3) {
		fputs("usage: crash N[:ERRNO]|getrandom COMMAND [ARG]...\n", stderr);
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 2;
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	if (strcmp(argv[1], "getrandom") == 0)
		return trace(pid, LONG_MAX, SYS_getrandom, 0);
	return trace(pid, atol(argv[1]), -1, colon ? error_number(colon + 1) : 0);
}
