// SPDX-License-Identifier: GPL-2.0-only
/* The model as a file of commands. */
#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"

#define WORDS_MAX 256
#define DEPTH_MAX 8	/* of files that include others */

/** struct reader - what was read until now */
struct reader {
	struct config *config;
	FILE *errors;
	int count;		/* of errors */
	const char *path;
	int line;
	int depth;
	struct {	/* directories */
		dev_t dev;
		ino_t inode;
	} reading[DEPTH_MAX];
	void *names;		/* tsearch(3): namespaces */
	struct place {		/* of each map of the model */
		char *path;
		int line;
	} *places;
	/* By row and port: a map has it at every address, or some have it at single ones. */
	struct {
		bool at_all;
		bool at_some;
	} taken[NSX_ROWS][NSX_PORTS];
};

static void error(struct reader *r, const char *reason)
{
	fprintf(r->errors, "%s:%d: %s\n", r->path, r->line, reason);
	r->count++;
}

static void no_memory(struct reader *r)
{
	error(r, "out of memory");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void read_up(struct reader *r, int argc, char **argv)
{
	struct fail f;

	if (r->config->has_up)
		error(r, "up is given twice");
	else if (config_read_up(argc, argv, &r->config->up, &f))
		error(r, f.text);
	else if (r->config->up.confirm)
		error(r, "--confirm is for the command line only");
	else
		r->config->has_up = true;
}

static void read_ns(struct reader *r, enum verb verb, int argc, char **argv)
{
	struct ns_conf c, *place;
	struct fail f;
	char *name;

	if (config_read_ns(argc, argv, verb, &c, &f)) {
		error(r, f.text);
		return;
	}
	name = strdup(c.name);
	if (!name || tfind(name, &r->names, compare_names)) {
		fail(&f, 0, "namespace %s is given twice", c.name);
		error(r, name ? f.text : "out of memory");
		free(name);
		return;
	}
	place = config_add_ns(r->config);
	if (!place || !tsearch(name, &r->names, compare_names)) {
		no_memory(r);
		free(name);
		return;
	}
	*place = c;
}

/* A port that is there already, if both cannot stand together. */
static bool is_taken(struct reader *r, const struct map_conf *c)
{
	bool some = false;

	for (__u32 port = c->port; port <= c->last; port++) {
		some |= r->taken[c->row][port].at_some;
		if (r->taken[c->row][port].at_all || (some && !c->has_at))
			return true;
	}
	for (size_t i = 0; some && i < r->config->map_count; i++) {
		const struct map_conf *map = &r->config->map[i];

		if (config_ports_overlap(map, c) &&
		    (map->port != c->port || map->last != c->last || config_same_ports(map, c)))
			return true;
	}
	return false;
}

/* Where the next map was read. */
static int note_place(struct reader *r)
{
	size_t count = r->config->map_count;

	if ((count & (count - 1)) == 0) {
		struct place *more = realloc(r->places, (count ? 2 * count : 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->places = more;
	}
	r->places[count] = (struct place){ strdup(r->path), r->line };
	return r->places[count].path ? 0 : -ENOMEM;
}

/* false where an error was told. */
static bool add_map(struct reader *r, const struct map_conf *c)
{
	struct map_conf *place;
	char name[ADDR_STRLEN];
	struct fail f;

	if (is_taken(r, c)) {
		fail(&f, 0, "port %s is given twice",
		     config_port_name(c->row, c->port, c->last, name));
		error(r, f.text);
		return false;
	}
	if (note_place(r) || !(place = config_add_map(r->config))) {
		no_memory(r);
		return false;
	}
	*place = *c;
	for (__u32 port = c->port; port <= c->last; port++) {
		r->taken[c->row][port].at_all |= !c->has_at;
		r->taken[c->row][port].at_some |= c->has_at;
	}
	return true;
}

static void read_map(struct reader *r, int argc, char **argv)
{
	struct map_conf c, each[NSX_FAMILIES];
	struct fail f;
	int count;

	if (config_read_map(argc, argv, MAP_ADD, &c, &f)) {
		error(r, f.text);
		return;
	}
	count = config_split_map(&c, each);
	for (int i = 0; i < count && add_map(r, &each[i]); i++)
		;
}

static void read_file(struct reader *r, const char *path);

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* A directory, from that of the file which includes it on. */
static void resolve(const struct reader *r, const char *word, char path[4096])
{
	const char *slash = strrchr(r->path, '/');

	if (word[0] == '/' || !slash)
		snprintf(path, 4096, "%s", word);
	else
		snprintf(path, 4096, "%.*s/%s", (int)(slash - r->path), r->path, word);
}

static bool is_being_read(const struct reader *r, const struct stat *st)
{
	for (int i = 0; i < r->depth; i++)
		if (r->reading[i].dev == st->st_dev && r->reading[i].inode == st->st_ino)
			return true;
	return false;
}

static void read_include(struct reader *r, int argc, char **argv)
{
	char dir[4096], name[4096 + 256];
	struct dirent **entry = NULL;
	const char *path = r->path;
	int line = r->line, count;
	struct stat st;
	struct fail f;

	if (argc != 1) {
		error(r, "include takes a directory");
		return;
	}
	resolve(r, argv[0], dir);
	if (stat(dir, &st) == 0 && (is_being_read(r, &st) || r->depth == DEPTH_MAX)) {
		error(r, "files include each other");
		return;
	}
	count = scandir(dir, &entry, is_conf, alphasort);
	if (count < 0) {
		fail_errno(&f, -errno, "cannot read the directory %s", dir);
		error(r, f.text);
		return;
	}
	r->reading[r->depth].dev = st.st_dev;
	r->reading[r->depth++].inode = st.st_ino;
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, entry[i]->d_name);
		read_file(r, name);
		free(entry[i]);
	}
	r->depth--;
	free(entry);
	r->path = path;
	r->line = line;
}

static void read_words(struct reader *r, int argc, char **argv)
{
	const char *noun = argv[0], *verb = argc > 1 ? argv[1] : "";
	struct fail f;

	if (strcmp(noun, "up") == 0)
		read_up(r, argc - 1, argv + 1);
	else if (strcmp(noun, "include") == 0)
		read_include(r, argc - 1, argv + 1);
	else if (strcmp(noun, "ns") == 0 && strcmp(verb, "add") == 0)
		read_ns(r, NS_ADD, argc - 2, argv + 2);
	else if (strcmp(noun, "ns") == 0 && strcmp(verb, "adopt") == 0)
		read_ns(r, NS_ADOPT, argc - 2, argv + 2);
	else if (strcmp(noun, "map") == 0 && strcmp(verb, "add") == 0)
		read_map(r, argc - 2, argv + 2);
	else {
		fail(&f, 0, "'%s%s%s': not up, ns add, ns adopt, map add or include", noun,
		     *verb ? " " : "", verb);
		error(r, f.text);
	}
}

/* "#" at the beginning of a word. */
static void cut_comment(char *line)
{
	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			return;
		}
	line[strcspn(line, "\n")] = '\0';
}

static void read_line(struct reader *r, char *line)
{
	char *words[WORDS_MAX], *save = NULL;
	int count = 0;

	cut_comment(line);
	for (char *word = strtok_r(line, " \t\r", &save); word;
	     word = strtok_r(NULL, " \t\r", &save)) {
		if (count == WORDS_MAX) {
			error(r, "too many words");
			return;
		}
		words[count++] = word;
	}
	if (count)
		read_words(r, count, words);
}

/* file NULL: it could not be opened, for errno. */
static void read_stream(struct reader *r, const char *path, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	struct fail f;

	r->path = path;
	r->line = 0;
	while (file && (len = getline(&line, &size, file)) >= 0) {
		r->line++;
		if (strlen(line) != (size_t)len)
			error(r, "a NUL character");
		else
			read_line(r, line);
	}
	if (!file || ferror(file)) {
		fail_errno(&f, -errno, "cannot read it");
		error(r, f.text);
	}
	free(line);
}

static void read_file(struct reader *r, const char *path)
{
	FILE *file = fopen(path, "re");

	read_stream(r, path, file);
	if (file)
		fclose(file);
}

/* Targets are in namespaces that there are, or will be. */
static void check_targets(struct reader *r, const struct config *others)
{
	const struct config *c = r->config;
	struct fail f;

	for (size_t i = 0; i < c->map_count; i++) {
		r->path = r->places[i].path;
		r->line = r->places[i].line;
		for (int n = 0; n < c->map[i].targets; n++) {
			const char *name = c->map[i].target[n].ns;

			if (tfind(name, &r->names, compare_names) ||
			    (others && config_ns(others, name)))
				continue;
			/* Told with the line's first entry. */
			if (i && r->places[i - 1].line == r->line &&
			    strcmp(r->places[i - 1].path, r->path) == 0)
				continue;
			fail(&f, 0, "there is no namespace '%s'", name);
			error(r, f.text);
		}
	}
}

static void free_reader(struct reader *r)
{
	for (size_t i = 0; i < r->config->map_count; i++)
		free(r->places[i].path);
	free(r->places);
	tdestroy(r->names, free);
	free(r);
}

/* text: in the place of a file. */
static int read_config(const char *path, const char *text, const struct config *others,
		       struct config *ret, FILE *errors)
{
	struct reader *r = calloc(1, sizeof(*r));
	FILE *memory = text ? fmemopen((void *)text, strlen(text), "r") : NULL;
	int count;

	memset(ret, 0, sizeof(*ret));
	if (!r || (text && !memory)) {
		free(r);
		return -ENOMEM;
	}
	r->config = ret;
	r->errors = errors;
	if (memory)
		read_stream(r, path, memory);
	else if (strcmp(path, "-") == 0)
		read_stream(r, "standard input", stdin);
	else
		read_file(r, path);
	if (memory)
		fclose(memory);
	check_targets(r, others);
	count = r->count;
	free_reader(r);
	config_sort(ret);
	return count;
}

int config_read_file(const char *path, const struct config *others, struct config *ret,
		     FILE *errors)
{
	return read_config(path, NULL, others, ret, errors);
}

int config_read_text(const char *text, struct config *ret, FILE *errors)
{
	return read_config("text", text, NULL, ret, errors);
}

void config_print(const struct config *c, FILE *out)
{
	if (c->has_up) {
		config_print_up(&c->up, out);
		fputc('\n', out);
	}
	for (size_t i = 0; i < c->ns_count; i++) {
		config_print_ns(&c->ns[i], NS_ADD, out);
		fputc('\n', out);
	}
	for (size_t i = 0; i < c->map_count; i++) {
		bool twin = config_twin(c, &c->map[i]);

		if (twin && NSX_ROW_FAMILY(c->map[i].row) == NSX_V6)
			continue;
		config_print_map(&c->map[i], MAP_ADD, !twin && c->up.ipv6 != NSX_IPV6_OFF, out);
		fputc('\n', out);
	}
}
