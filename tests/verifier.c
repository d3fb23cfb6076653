// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the running kernel's verifier says of each program: instructions that it walked, of a
 * million that it would, and states that it kept. A line for each: NAME INSTRUCTIONS STATES.
 *
 *   verifier OBJECT...
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_STATS 4	/* BPF_LOG_STATS */
#define LOG_SIZE 4096

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

/* "processed 29 insns (limit 1000000) max_states_per_insn 0 total_states 2 ..." */
static int print_stats(const char *name, const char *log)
{
	const char *processed = strstr(log, "processed "), *states = strstr(log, "total_states ");

	if (!processed || !states) {
		fprintf(stderr, "verifier: %s: no figures\n", name);
		return 1;
	}
	printf("%s %d %d\n", name, atoi(processed + strlen("processed ")),
	       atoi(states + strlen("total_states ")));
	return 0;
}

static int object(const char *path)
{
	struct bpf_object *obj = bpf_object__open(path);
	struct bpf_program *prog;
	int err = 0;

	if (!obj)
		return 1;
	bpf_object__for_each_program(prog, obj) {
		char *log = calloc(1, LOG_SIZE);

		if (!log || bpf_program__set_log_level(prog, LOG_STATS) ||
		    bpf_program__set_log_buf(prog, log, LOG_SIZE))
			err = 1;
	}
	if (!err && bpf_object__load(obj))
		err = 1;
	bpf_object__for_each_program(prog, obj) {
		size_t size;
		const char *log = bpf_program__log_buf(prog, &size);

		if (!err)
			err = print_stats(bpf_program__name(prog), log);
	}
	bpf_object__close(obj);
	return err;
}

int main(int argc, char **argv)
{
	int err = argc < 2;

	libbpf_set_print(quiet);
	for (int i = 1; i < argc && !err; i++)
		err = object(argv[i]);
	return err;
}
