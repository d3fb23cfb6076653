// SPDX-License-Identifier: GPL-2.0-only
/* The nsxdp command: finds the command that the words name and runs it. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd.h"
#include "fail.h"
#include "version.h"

bool json_output;

static const struct cmd commands[] = {
	{ "up", NULL, cmd_up, "--dev DEV... [--pool ADDR/LEN] [--mode auto|tc|xdp|xdp-generic] [--timeout NAME=SECONDS]... "
	  "[--flows N] [--snat ADDR[-ADDR]]... [--snat-ports LOW-HIGH] [--no-bind-guard]",
	  "Attach the datapath to the uplink DEV, or to several (--dev DEV --dev DEV). Namespaces get their addresses from the pool\n"
	  "(192.168.0.0/16). The mode says whether XDP takes what it can before TC (auto).\n"
	  "--flows is how many masqueraded flows there is room for (as the machine's memory says, 262144 or more). --snat spreads\n"
	  "masquerading over addresses of the host; --snat-ports are the ports that it uses (all from 1024 on that\n"
	  "ip_local_port_range leaves).\n"
	  "Timeouts: tcp-opening, tcp-established, tcp-closed, tcp-reset, udp-oneway, udp, icmp.\n"
	  "Processes of the host cannot bind to published ports, unless --no-bind-guard." },
	{ "down", NULL, cmd_down, "[--keep-ns]",
	  "Take everything away again: ports, namespaces, programs. --keep-ns leaves the namespaces\n"
	  "and their veths." },
	{ "ns", "add", cmd_ns_add, "NAME [--addr ADDR/LEN] [--datapath tc|xdp] [--dns ADDR]... [--nat endpoint-independent] [--filtering KIND] "
	  "[--clamp-mss[=BYTES]] [--max-flows N] [--egress-rate RATE] [--link-local]",
	  "Make a namespace with its veth, addresses, default route and resolv.conf. Who may answer its UDP:\n"
	  "--nat endpoint-independent lets in everybody (full cone); --filtering is endpoint-independent,\n"
	  "address-dependent or address-and-port-dependent (as it is without). --clamp-mss lowers what TCP\n"
	  "announces to what the path takes, or to BYTES. --max-flows limits its masqueraded flows, --egress-rate\n"
	  "(as 100mbit) what it sends outside. --link-local lets it reach 169.254.0.0/16, which on a cloud host is\n"
	  "the metadata service with the host's credentials." },
	{ "ns", "adopt", cmd_ns_adopt, "NAME [--addr ADDR/LEN] [--datapath tc|xdp] [--nat endpoint-independent] [--filtering KIND] "
	  "[--clamp-mss[=BYTES]] [--max-flows N] [--egress-rate RATE] [--link-local]",
	  "Take over a namespace that was made by ip netns, with the veth that it has or a new one." },
	{ "ns", "del", cmd_ns_del, "NAME [--force]",
	  "Remove a namespace. --force removes the ports that are published to it too." },
	{ "ns", "list", cmd_ns_list, "", "List the namespaces." },
	{ "ns", "show", cmd_ns_show, "NAME", "Show one namespace with its published ports." },
	{ "ns", "exec", cmd_ns_exec, "NAME [--user USER] [--] COMMAND [ARG]...",
	  "Run a command in a namespace, as ip netns exec does; --user drops to a user." },
	{ "map", "add", cmd_map_add,
	  "[-p tcp|udp] [ADDR:]PORT[-PORT] NS:PORT[=WEIGHT]... [--allow ADDR[/LEN]]... [--rate N/s [--burst N]] "
	  "[--affinity client]",
	  "Publish a port, or a range of ports as one: what arrives at PORT of the host, or of its address\n"
	  "ADDR alone, goes to NS:PORT. Several targets share the clients by weight, --affinity client by\n"
	  "their address. --allow lets in only those clients; --rate limits new connections (TCP) or packets (UDP)." },
	{ "map", "set", cmd_map_set,
	  "[-p tcp|udp] [ADDR:]PORT[-PORT] NS:PORT[=WEIGHT]... [--drain TIME] [--allow ADDR[/LEN]]... "
	  "[--rate N/s [--burst N]] [--affinity client]",
	  "Turn a published port to other targets: new connections go there at once, running ones finish where\n"
	  "they are, for TIME at most (as 60s, 5m, 2h; five minutes without). Conditions that are not given stay\n"
	  "(--allow any, --rate none and --affinity connection end them)." },
	{ "map", "del", cmd_map_del, "[-p tcp|udp] [ADDR:]PORT[-PORT] [--drain TIME]",
	  "Stop publishing a port or a range; with --drain running TCP connections may finish." },
	{ "map", "list", cmd_map_list, "", "List the published ports." },
	{ "flow", "list", cmd_flow_list, "",
	  "List the flows that have state: masqueraded ones, and the few connections to published\n"
	  "ports that their map alone cannot answer." },
	{ "flow", "flush", cmd_flow_flush, "[NS]", "End the flows that have state, all or those of a namespace." },
	{ "ports", NULL, cmd_ports, "",
	  "List every port that is taken, and by whom: published, masqueraded, or held by a socket of the host." },
	{ "status", NULL, cmd_status, "", "Show the instance and its counters." },
	{ "features", NULL, cmd_features, "",
	  "List what nsxdp uses of newer kernels, whether this one has it, and what holds where it does not." },
};

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

static void print_synopsis(FILE *out, const struct cmd *c)
{
	fprintf(out, "nsxdp %s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "", *c->args ? " " : "",
		c->args);
}

static void print_help(FILE *out, const struct cmd *c)
{
	const char *line = c->help, *end;

	print_synopsis(out, c);
	fputc('\n', out);
	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		fprintf(out, "    %.*s\n", (int)(end - line), line);
	}
}

/* All commands, or those of one noun. */
static void print_commands(FILE *out, const char *noun)
{
	if (!noun)
		fputs("nsxdp [-j] COMMAND: port forwarding and NAT for network namespaces, in BPF\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		if (!noun || strcmp(noun, commands[i].noun) == 0)
			print_help(out, &commands[i]);
	if (!noun)
		fputs("\n-j prints JSON. COMMAND --help explains one command. See nsxdp(8).\n", out);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static void print_words(const struct cmd *cmd, const char *object)
{
	fprintf(stderr, "nsxdp: %s%s%s%s%s: ", cmd->noun, cmd->verb ? " " : "", cmd->verb ? cmd->verb : "",
		object ? " " : "", object ? object : "");
}

int cmd_failed(const struct cmd *cmd, const char *object, const struct fail *f)
{
	print_words(cmd, object);
	fprintf(stderr, "%s\n", f->text);
	return 1;
}

int cmd_usage(const struct cmd *cmd, const struct fail *f)
{
	print_words(cmd, NULL);
	fprintf(stderr, "%s\nusage: ", f->text);
	print_synopsis(stderr, cmd);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

int cmd_no_words(const struct cmd *cmd, int argc, char **argv)
{
	struct fail f;

	if (!argc)
		return 0;
	fail(&f, 0, "unknown word '%s'", argv[0]);
	return cmd_usage(cmd, &f);
}

const char *cmd_object(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-p") == 0 || (strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '=')))
			i++;
		else if (argv[i][0] != '-')
			return argv[i];
	}
	return NULL;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	bool words = cmd->run == cmd_ns_exec;	/* the rest belongs to another program */
	int kept = 0;

	if (argc && is_help(argv[0]))
		words = false;
	for (int i = 0; i < argc; i++) {
		if (!words && is_help(argv[i])) {
			print_help(stdout, cmd);
			return 0;
		}
		if (!words && strcmp(argv[i], "-j") == 0)
			json_output = true;
		else
			argv[kept++] = argv[i];
	}
	return cmd->run(cmd, kept, argv);
}

static int print_version(void)
{
	struct utsname u;

	uname(&u);
	printf("nsxdp %s, libbpf %s, kernel %s\n", NSXDP_VERSION, libbpf_version_string(), u.release);
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
	if (noun_known && strcmp(argv[1], "-j") == 0 && argc == 2) {
		json_output = true;
		return dispatch(1, argv);
	}
	if (noun_known)
		note("%s: unknown command '%s' (nsxdp %s --help)", argv[0], argv[1], argv[0]);
	else
		note("unknown command '%s' (nsxdp --help)", argv[0]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int i, status;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-j") == 0) {
			json_output = true;
		} else if (is_help(argv[i])) {
			print_commands(stdout, NULL);
			return 0;
		} else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			return print_version();
		} else {
			note("unknown option '%s' (nsxdp --help)", argv[i]);
			return EXIT_USAGE;
		}
	}
	if (i == argc) {
		print_commands(stderr, NULL);
		return EXIT_USAGE;
	}
	if (strcmp(argv[i], "help") == 0) {
		print_commands(stdout, i + 1 < argc ? argv[i + 1] : NULL);
		return 0;
	}
	status = dispatch(argc - i, argv + i);
	if (fflush(stdout) || ferror(stdout)) {
		note("cannot write the output");
		return status ? status : 1;
	}
	return status;
}
