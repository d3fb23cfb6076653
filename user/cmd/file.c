// SPDX-License-Identifier: GPL-2.0-only
/* nsxdp apply, diff, export, save */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/confirm.h"
#include "cmd/cmd.h"
#include "config/edit.h"
#include "config/file.h"
#include "kernel/netns.h"
#include "state/health.h"
#include "state/read.h"

/* What "apply" and "diff" take. */
struct file_conf {
	unsigned int given;	/* FILE_* */
	const char *path;
	unsigned int confirm;	/* seconds; 0: the change stays */
};

/* The file that the instance is made by when the machine boots */
#define CONF_DIR	"/etc/nsxdp"
#define CONF_PATH	CONF_DIR "/nsxdp.conf"

#define FILE_DRY_RUN	1
#define FILE_KEEP	2
#define FILE_CONFIRM	4
#define APPLY		1
#define DIFF		2
#define SAVE		4

static int read_path(const char *word, void *conf, struct fail *f)
{
	struct file_conf *c = conf;

	if (c->path)
		return fail(f, -EINVAL, "unknown argument '%s'", word);
	c->path = word;
	return 0;
}

static int read_confirm(const char *word, void *conf, struct fail *f)
{
	struct file_conf *c = conf;

	return config_read_confirm(word, &c->confirm, f);
}

static const struct option_desc options[] = {
	{ "dry-run", NULL, "only print what would be done", FILE_DRY_RUN, APPLY, 0, false, NULL,
	  NULL },
	{ "confirm", "TIME", CONFIRM_HELP, FILE_CONFIRM, APPLY, 0, false, read_confirm, NULL },
	{ "keep", NULL, "leave what the file does not name", FILE_KEEP, APPLY | DIFF, 0, false,
	  NULL, NULL },
	{},
};

const struct grammar apply_grammar = { options, APPLY, read_path };
const struct grammar diff_grammar = { options, DIFF, read_path };
const struct grammar save_grammar = { NULL, SAVE, read_path };

/* Namespaces that others deleted, with what is published to them: "apply" makes them again. */
static void leave_out_gone(struct instance *in, struct config *running)
{
	struct ns_list list = {};
	struct health h;
	struct fail f;

	if (health_read(in, &h) == 0 && table_ns_list(in, &list) == 0)
		for (size_t i = 0; i < list.count; i++)
			if (strcmp(health_ns(&h, list.item[i].name, &list.item[i].ns), "gone") == 0 &&
			    !netns_is(list.item[i].name, list.item[i].ns.netns))
				edit_ns_del(running, list.item[i].name, true, &f);
	ns_list_free(&list);
	health_free(&h);
}

/* What runs; nothing where the instance is not up. */
static int read_running(struct config *running, struct fail *f)
{
	struct instance in;
	int err = instance_open(&in, ACCESS_READ, f);

	if (err == -ENOENT)
		return 0;
	if (!err) {
		err = read_config(&in, running, f);
		if (!err)
			leave_out_gone(&in, running);
		instance_close(&in);
	}
	return err;
}

/* Where ports are published that the file gives no address. */
static void default_addresses(struct config *wanted, const struct config *running)
{
	config_default_maps(wanted, wanted->has_up ? &wanted->up : &running->up, running);
}

/* Every error of the file, each on a line of its own. */
static int read_wanted(const struct cmd *cmd, const struct file_conf *c, const struct config *running,
		       struct config *wanted)
{
	char *text = NULL, *save = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	struct fail f;
	int count = -ENOMEM;

	if (errors) {
		count = config_read_file(c->path, c->given & FILE_KEEP ? running : NULL, wanted, errors);
		fclose(errors);
	}
	default_addresses(wanted, running);
	if (count < 0) {
		fail_errno(&f, count, "cannot read it");
		cmd_failed(cmd, c->path, &f);
	}
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		fail(&f, 0, "%s", line);
		cmd_failed(cmd, NULL, &f);
	}
	free(text);
	return count;
}

static bool same_up(const struct config *running, const struct config *wanted)
{
	return !wanted->has_up || (running->has_up && config_same_up(&running->up, &wanted->up));
}

/* 1 where there is something to do. */
static int print_diff(const struct config *running, const struct config *wanted, bool keep)
{
	const struct step up = { STEP_UP, running->has_up ? &running->up : NULL, &wanted->up };
	struct steps steps;
	bool any = !same_up(running, wanted);

	if (any)
		step_print(&up, stdout);
	if (config_diff(running, wanted, keep, &steps)) {
		note("out of memory");
		return 1;
	}
	steps_print(&steps, (wanted->has_up ? &wanted->up : &running->up)->ipv6 != NSX_IPV6_OFF,
		    stdout);
	any = any || steps.count;
	steps_free(&steps);
	return any;
}

static int run(const struct cmd *cmd, int argc, char **argv, const struct grammar *grammar)
{
	struct config running = {}, wanted = {};
	struct file_conf c = {};
	struct fail f;
	int err, status = 1;

	if (options_read(grammar, argc, argv, &c, &f))
		return cmd_usage(cmd, &f);
	if (!c.path)
		c.path = CONF_PATH;
	err = read_running(&running, &f);
	/* "up" of the file converts the tables of another build. */
	if (err == -EPROTO && grammar == &apply_grammar && !(c.given & (FILE_KEEP | FILE_DRY_RUN)))
		err = 0;
	if (err) {
		status = cmd_failed(cmd, c.path, &f);
	} else if (read_wanted(cmd, &c, &running, &wanted)) {
		status = grammar == &diff_grammar ? 2 : 1;
	} else if (grammar == &diff_grammar || (c.given & FILE_DRY_RUN)) {
		status = print_diff(&running, &wanted, c.given & FILE_KEEP);
		if (grammar != &diff_grammar)
			status = 0;
	} else {
		status = apply_config(&wanted, c.given & FILE_KEEP, c.confirm, &f)
				 ? cmd_failed(cmd, c.path, &f)
				 : 0;
	}
	config_free(&running);
	config_free(&wanted);
	return status;
}

int cmd_apply(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, &apply_grammar);
}

int cmd_diff(const struct cmd *cmd, int argc, char **argv)
{
	return run(cmd, argc, argv, &diff_grammar);
}

/* All that runs, as a file says it; with ACCESS_CHANGE, not in the middle of a change. */
static int print_running(FILE *out, enum access_mode mode, struct fail *f)
{
	struct config running = {};
	struct instance in;
	int err = instance_open(&in, mode, f);

	if (!err) {
		/* What is saved is there after a boot. */
		if (mode == ACCESS_CHANGE)
			err = confirm_check(&in, f);
		if (!err && mode == ACCESS_CHANGE && in.conf->confirm)
			err = fail(f, -EBUSY, "a change has been taken back, but not completely");
		if (!err)
			err = read_config(&in, &running, f);
		instance_close(&in);
	}
	if (!err)
		config_print(&running, out);
	config_free(&running);
	return err;
}

int cmd_export(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;

	if (argc)
		return cmd_no_words(cmd, argc, argv);
	return print_running(stdout, ACCESS_READ, &f) ? cmd_failed(cmd, NULL, &f) : 0;
}

/* The file is there as a whole, on the disk, before it takes the other one's place. */
static int save(const char *path, struct fail *f)
{
	char next[4096];
	FILE *file;
	int err, fd;

	if ((size_t)snprintf(next, sizeof(next), "%s.XXXXXX", path) >= sizeof(next))
		return fail(f, -ENAMETOOLONG, "the name is too long");
	fd = mkostemp(next, O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		err = fail_errno(f, -errno, "cannot make a file beside it");
		if (fd >= 0) {
			close(fd);
			unlink(next);
		}
		return err;
	}
	err = print_running(file, ACCESS_CHANGE, f);
	if (!err && (fflush(file) || fchmod(fd, 0644) || fsync(fd)))
		err = fail_errno(f, -errno, "cannot write it");
	fclose(file);
	if (!err && rename(next, path))
		err = fail_errno(f, -errno, "cannot put it there");
	if (err)
		unlink(next);
	return err;
}

int cmd_save(const struct cmd *cmd, int argc, char **argv)
{
	struct file_conf c = {};
	struct fail f;
	int err = 0;

	if (options_read(&save_grammar, argc, argv, &c, &f))
		return cmd_usage(cmd, &f);
	if (!c.path) {
		c.path = CONF_PATH;
		if (mkdir(CONF_DIR, 0755) && errno != EEXIST)
			err = fail_errno(&f, -errno, "cannot make " CONF_DIR);
	}
	if (!err)
		err = strcmp(c.path, "-") == 0 ? print_running(stdout, ACCESS_CHANGE, &f)
					       : save(c.path, &f);
	return err ? cmd_failed(cmd, c.path, &f) : 0;
}
