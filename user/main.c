// SPDX-License-Identifier: GPL-2.0-only
/* The nsxdp command: finds the command that the words name and runs it. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apply/apply.h"
#include "cmd/cmd.h"
#include "config/config.h"
#include "kernel/pin.h"
#include "fail.h"
#include "version.h"

static const struct cmd commands[] = {
	{ "up", NULL, cmd_up, &up_grammar, "--dev DEV",
	  "Attach the datapath to the uplink DEV, or to several; what runs already is brought up to date.\n"
	  "Processes of the host cannot bind to published ports, unless --no-bind-guard is given." },
	{ "down", NULL, cmd_down, &down_grammar, "",
	  "Take everything away again: ports, namespaces, programs." },
	{ "apply", NULL, cmd_apply, &apply_grammar, "[FILE]",
	  "Make everything as a file of commands says (/etc/nsxdp/nsxdp.conf; - for the standard input), and\n"
	  "remove what it does not name. All of it is done, or nothing." },
	{ "diff", NULL, cmd_diff, &diff_grammar, "[FILE]",
	  "Print what apply would do: lines with - are what runs, lines with + what is wanted. Exits with 1 where\n"
	  "there is a difference." },
	{ "export", NULL, cmd_export, NULL, "", "Print what runs as such a file." },
	{ "save", NULL, cmd_save, &save_grammar, "[FILE]",
	  "Write what runs to such a file (/etc/nsxdp/nsxdp.conf), which nsxdp.service applies at boot." },
	{ "confirm", NULL, cmd_confirm, NULL, "",
	  "Keep a change that \"apply\" or \"up\" made with --confirm." },
	{ "undo", NULL, cmd_undo, NULL, "", "Take such a change back now." },
	{ "ns", "add", cmd_ns_add, &ns_add_grammar, "NAME",
	  "Make a namespace with its link, addresses, default route and resolv.conf." },
	{ "ns", "adopt", cmd_ns_adopt, &ns_adopt_grammar, "NAME",
	  "Take over a namespace that was made by ip netns, with the link that it has or a new one." },
	{ "ns", "set", cmd_ns_set, &ns_set_grammar, "NAME",
	  "Change a namespace; what is not given stays. With another address or kind of link its link is made anew." },
	{ "ns", "del", cmd_ns_del, &ns_del_grammar, "NAME", "Remove a namespace." },
	{ "ns", "list", cmd_ns_list, NULL, "", "List the namespaces." },
	{ "ns", "show", cmd_ns_show, NULL, "NAME", "Show one namespace with its published ports." },
	{ "ns", "exec", cmd_ns_exec, &ns_exec_grammar, "NAME [--] COMMAND [ARG]...",
	  "Run a command in a namespace, as ip netns exec does." },
	{ "map", "add", cmd_map_add, &map_add_grammar, "[ADDR|DEV:]PORT[-PORT] NS:PORT[=WEIGHT]...",
	  "Publish a port, or a range of ports as one: what arrives at PORT of the host, or of its address\n"
	  "ADDR or the addresses of its interface DEV alone, goes to NS:PORT. Several targets share the\n"
	  "clients by weight." },
	{ "map", "set", cmd_map_set, &map_set_grammar, "[ADDR|DEV:]PORT[-PORT] [NS:PORT[=WEIGHT]]...",
	  "Change a published port; what is not given stays. With other targets new connections go there at once,\n"
	  "and running ones finish where they are." },
	{ "map", "del", cmd_map_del, &map_del_grammar, "[ADDR|DEV:]PORT[-PORT]",
	  "Stop publishing a port or a range." },
	{ "map", "list", cmd_map_list, &map_list_grammar, "[[ADDR|DEV:]PORT[-PORT]]",
	  "List the published ports, all or those at PORT." },
	{ "flow", "list", cmd_flow_list, NULL, "",
	  "List the flows that have state: masqueraded ones, and the few connections to published\n"
	  "ports that their map alone cannot answer." },
	{ "flow", "flush", cmd_flow_flush, NULL, "[NS]",
	  "End the flows that have state, all or those of a namespace." },
	{ "ports", NULL, cmd_ports, NULL, "",
	  "List every port that is taken, and by whom: published, masqueraded, or held by a socket of the host." },
	{ "status", NULL, cmd_status, NULL, "", "Show the instance and its counters." },
	{ "doctor", NULL, cmd_doctor, NULL, "",
	  "Report what is broken or may surprise, and what to do about it. Exits with 1 where something is broken." },
	{ "features", NULL, cmd_features, NULL, "",
	  "List what nsxdp uses of newer kernels, whether this one has it, and what holds where it does not." },
	{ "completion", NULL, cmd_completion, NULL, "",
	  "Print the completion of nsxdp's words for bash: eval \"$(nsxdp completion)\"" },
};

#define WAIT_MAX 86400
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char *canonical_verb(const char *verb)
{
	static const char *const alias[][2] = {
		{ "ls", "list" }, { "rm", "del" }, { "delete", "del" },
	};

	for (size_t i = 0; i < sizeof(alias) / sizeof(alias[0]); i++)
		if (strcmp(verb, alias[i][0]) == 0)
			return alias[i][1];
	return verb;
}

/* Text in lines, each behind a margin. */
static void print_lines(FILE *out, const char *line, int margin)
{
	const char *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		fprintf(out, "%*s%.*s\n", margin, "", (int)(end - line), line);
	}
}

static void print_options(FILE *out, const struct grammar *g)
{
	for (const struct option_desc *o = g ? g->options : NULL; o && o->name; o++) {
		if (!option_is_taken(g, o))
			continue;
		fputs("      ", out);
		option_print_usage(o, out);
		fputc('\n', out);
		print_lines(out, o->help, 10);
	}
}

static void print_help(FILE *out, const struct cmd *c)
{
	cmd_print_synopsis(out, c);
	fputc('\n', out);
	print_lines(out, c->help, 4);
	print_options(out, c->grammar);
}

/* All commands, or those of one noun. */
static void print_commands(FILE *out, const char *noun)
{
	if (!noun)
		fputs("nsxdp [-j] [--wait SECONDS] COMMAND: port forwarding and NAT for network namespaces, in BPF\n\n",
		      out);
	for (size_t i = 0; i < COMMANDS; i++)
		if (!noun) {
			cmd_print_synopsis(out, &commands[i]);
			fputc('\n', out);
			print_lines(out, commands[i].help, 4);
		} else if (strcmp(noun, commands[i].noun) == 0) {
			print_help(out, &commands[i]);
		}
	if (!noun)
		fputs("\n-j or --json prints JSON, errors too. --wait limits the time that a command waits for one that is\n"
		      "changing the instance. COMMAND --help explains one command. See nsxdp(8).\n",
		      out);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_json(const char *word)
{
	return strcmp(word, "-j") == 0 || strcmp(word, "--json") == 0;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;
	int kept = 0;

	/* The rest belongs to another program. */
	if (cmd->run == cmd_ns_exec && !(argc && is_help(argv[0])))
		return cmd->run(cmd, argc, argv);
	/* What is made for namespaces is read by everybody there, and written by root alone */
	umask(022);
	for (int i = 0; i < argc; i++) {
		if (is_help(argv[i])) {
			print_help(stdout, cmd);
			return 0;
		}
		if (is_json(argv[i]))
			cmd_set_json();
		else
			argv[kept++] = argv[i];
	}
	if (geteuid() && cmd->run != cmd_completion) {
		fail(&f, -EPERM, "only root may do this");
		return cmd_failed(cmd, NULL, &f);
	}
	/* Otherwise a command would show a change whose time has run out. */
	if (cmd->run != cmd_completion && cmd->run != cmd_down && cmd->run != cmd_confirm &&
	    cmd->run != cmd_undo && apply_settle(false, &f))
		note("a change that has to be confirmed is not settled: %s", f.text);
	return cmd->run(cmd, kept, argv);
}

/* A word list for each command, and the shell's function that chooses among them. */
int cmd_completion(const struct cmd *cmd, int argc, char **argv)
{
	if (argc)
		return cmd_no_words(cmd, argc, argv);
	puts("_nsxdp() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= i=1 noun verb\n"
	     "\twhile [ $i -lt $COMP_CWORD ]; do\n"
	     "\t\tcase \"${COMP_WORDS[i]} ${COMP_WORDS[i + 1]}\" in\n"
	     "\t\t\"--wait =\") i=$((i + 3)) ;;\n"
	     "\t\t\"--wait \"*) i=$((i + 2)) ;;\n"
	     "\t\t-*) i=$((i + 1)) ;;\n"
	     "\t\t*) break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tnoun=${COMP_WORDS[i]} verb=${COMP_WORDS[i + 1]}\n"
	     "\tcase $verb in ls) verb=list ;; rm|delete) verb=del ;; esac\n"
	     "\tcase \"$noun $verb\" in");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct cmd *c = &commands[i];

		printf("\t\"%s %s\"*) words=\"", c->noun, c->verb ? c->verb : "");
		for (const struct option_desc *o = c->grammar ? c->grammar->options : NULL;
		     o && o->name; o++)
			if (option_is_taken(c->grammar, o))
				printf("--%s ", o->name);
		puts("$(ls /run/netns 2> /dev/null | grep -xE '[A-Za-z0-9._-]+')\" ;;");
	}
	puts("\tesac");
	for (size_t i = 0; i < COMMANDS; i++) {
		if (i && strcmp(commands[i].noun, commands[i - 1].noun) == 0)
			continue;
		if (!commands[i].verb)
			continue;
		printf("\t[ \"$COMP_CWORD $noun\" = \"$((i + 1)) %s\" ] && words=\"",
		       commands[i].noun);
		for (size_t n = i; n < COMMANDS && strcmp(commands[n].noun, commands[i].noun) == 0;
		     n++)
			printf("%s ", commands[n].verb);
		puts("\"");
	}
	fputs("\t[ \"$COMP_CWORD\" = \"$i\" ] && words=\"", stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		if (!i || strcmp(commands[i].noun, commands[i - 1].noun))
			printf("%s ", commands[i].noun);
	puts("help --help --json --version --wait\"\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _nsxdp nsxdp");
	return 0;
}

static int print_version(void)
{
	struct utsname u;

	uname(&u);
	printf("nsxdp %s, libbpf %s, kernel %s\n", NSXDP_VERSION, libbpf_version_string(),
	       u.release);
	return 0;
}

static int dispatch(int argc, char **argv)
{
	bool noun_known = false;
	const char *verb;

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct cmd *c = &commands[i];

		if (strcmp(argv[0], c->noun))
			continue;
		noun_known = true;
		if (!c->verb)
			return run(c, argc - 1, argv + 1);
		verb = argc > 1 ? canonical_verb(argv[1]) : "list";
		if (strcmp(verb, c->verb) == 0)
			return run(c, argc > 1 ? argc - 2 : 0, argv + (argc > 1 ? 2 : 1));
	}
	if (noun_known && is_help(argv[1])) {
		print_commands(stdout, argv[0]);
		return 0;
	}
	if (noun_known && is_json(argv[1]) && argc == 2) {
		cmd_set_json();
		return dispatch(1, argv);
	}
	for (int i = 1; i < argc; i++)
		if (is_json(argv[i]))
			cmd_set_json();
	if (noun_known)
		return cmd_unknown("%s: unknown command '%s' (nsxdp %s --help)", argv[0], argv[1],
			     argv[0]);
	return cmd_unknown("unknown command '%s' (nsxdp --help)", argv[0]);
}

/* help [NOUN [VERB]] */
static int help(int argc, char **argv)
{
	bool known = argc == 0;

	if (argc == 0)
		print_commands(stdout, NULL);
	for (size_t i = 0; argc && i < COMMANDS; i++) {
		const struct cmd *c = &commands[i];

		if (strcmp(argv[0], c->noun) ||
		    (argc > 1 && (!c->verb || strcmp(canonical_verb(argv[1]), c->verb))))
			continue;
		print_help(stdout, c);
		known = true;
	}
	if (known)
		return 0;
	return cmd_unknown("help: unknown command '%s%s%s' (nsxdp --help)", argv[0], argc > 1 ? " " : "",
		     argc > 1 ? argv[1] : "");
}

int main(int argc, char **argv)
{
	unsigned long seconds;
	int i, status;

	if (geteuid() != getuid() || getegid() != getgid()) {
		note("refusing to run set-user-ID");
		return 1;
	}
	/* Where the caller ignores it nobody could wait for a child. */
	signal(SIGCHLD, SIG_DFL);

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (is_json(argv[i])) {
			cmd_set_json();
		} else if (strncmp(argv[i], "--wait", 6) == 0 && (argv[i][6] == '=' || !argv[i][6])) {
			const char *value = argv[i][6] ? argv[i] + 7 : i + 1 < argc ? argv[++i] : "";

			if (parse_number(value, 0, WAIT_MAX, &seconds))
				return cmd_unknown("--wait %s: not a number of seconds from 0 to %d", value,
					     WAIT_MAX);
			pin_wait_seconds = seconds;
		} else if (is_help(argv[i])) {
			print_commands(stdout, NULL);
			return 0;
		} else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			return print_version();
		} else {
			return cmd_unknown("unknown option '%s' (nsxdp --help)", argv[i]);
		}
	}
	if (i == argc) {
		print_commands(stderr, NULL);
		return EXIT_USAGE;
	}
	if (strcmp(argv[i], "help") == 0)
		return help(argc - i - 1, argv + i + 1);
	status = dispatch(argc - i, argv + i);
	if (fflush(stdout) || ferror(stdout)) {
		note("cannot write the output");
		return status ? status : 1;
	}
	return status;
}
