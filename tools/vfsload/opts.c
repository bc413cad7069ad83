/* SPDX-License-Identifier: BSD-3-Clause */
/* One table is the parser, the ranges and the help. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "load.h"

static const struct pattern patterns[] = {
	{"randread", "reads of --bs at random places", {STEP_READ}, 1, .random = true,
	 .data = true},
	{"randwrite", "writes of --bs at random places", {STEP_WRITE}, 1, .random = true,
	 .data = true},
	{"seqread", "reads from front to back, again and again", {STEP_READ}, 1, .data = true},
	{"seqwrite", "writes from front to back, again and again", {STEP_WRITE}, 1, .data = true},
	{"rw", "half random reads, half random writes", {STEP_READ, STEP_WRITE}, 2, .choose = true,
	 .random = true, .data = true},
	{"getattr", "GETATTR of files", {STEP_GETATTR}, 1, .data = false},
	{"lookup-getattr", "LOOKUP of a name, then GETATTR", {STEP_LOOKUP, STEP_GETATTR}, 2,
	 .data = false},
	{"create-unlink", "CREATE, RELEASE, UNLINK of a file",
	 {STEP_CREATE, STEP_RELEASE, STEP_UNLINK}, 3, .data = false},
	{"readdirplus", "READDIRPLUS through a directory of --files", {STEP_READDIRPLUS}, 1,
	 .data = false},
};

enum kind { K_STRING, K_NUMBER, K_SIZE, K_SECONDS, K_FLAG, K_PATTERN, K_TRANSPORT, K_KICK };

struct option_row {
	const char *name;
	const char *arg;	/* in the help */
	enum kind kind;
	size_t offset;		/* into struct load_opts */
	uint64_t min, max;
	const char *help;
};

#define AT(field) offsetof(struct load_opts, field)

static const struct option_row rows[] = {
	{"socket", "PATH", K_STRING, AT(socket), 0, 0, "the server's socket (required)"},
	{"transport", "NAME", K_TRANSPORT, AT(transport), 0, 0, "vhost-user or vfio-user; vhost-user"},
	{"kick", "HOW", K_KICK, AT(kick), 0, 0, "vfio-user: message, eventfd, mapped; the best"},
	{"pattern", "NAME", K_PATTERN, AT(pattern), 0, 0, "what to do, see below; randread"},
	{"queues", "N", K_NUMBER, AT(queues), 1, 64, "request queues to use; 1"},
	{"queue-size", "N", K_NUMBER, AT(queue_size), 4, 32768, "descriptors of each, 2^n; 256"},
	{"threads", "T", K_NUMBER, AT(threads), 1, 64, "worker threads, at most one a queue; 1"},
	{"depth", "D", K_NUMBER, AT(depth), 1, 16384, "requests in flight on each queue; 64"},
	{"bs", "SIZE", K_SIZE, AT(bs), 512, 1u << 20, "bytes of a data request; 4k"},
	{"file-size", "SIZE", K_SIZE, AT(file_size), 4096, 1ull << 40, "of each queue's file; 64m"},
	{"files", "N", K_NUMBER, AT(files), 1, 1u << 20, "small files a queue (metadata); 64"},
	{"seg-size", "SIZE", K_SIZE, AT(seg_size), 4096, 1u << 20,
	 "cut data into segments, as pages are; whole"},
	{"regions", "N", K_NUMBER, AT(regions), 1, 8, "pieces of guest memory; 1"},
	{"runtime", "SECONDS", K_SECONDS, AT(runtime), 0, 0, "measure for so long; 5"},
	{"warmup", "SECONDS", K_SECONDS, AT(warmup), 0, 0, "run before measuring; 0.5"},
	{"ops", "N", K_NUMBER, AT(ops), 1, UINT64_MAX, "stop after N rounds of the pattern"},
	{"server-pid", "PID", K_NUMBER, AT(server_pid), 1, 1u << 22, "measure its CPU time too"},
	{"verify", NULL, K_FLAG, AT(verify), 0, 0, "stamp data, check answers; exit 1 if wrong"},
	{"direct", NULL, K_FLAG, AT(direct), 0, 0, "open files with O_DIRECT"},
	{"busy-poll", NULL, K_FLAG, 0, 0, 0, "poll for completions (the default)"},
	{"events", NULL, K_FLAG, AT(events), 0, 0, "sleep until the device signals instead"},
	{"echo-limit", NULL, K_FLAG, AT(echo_limit), 0, 0,
	 "take turns with a bare ring echo, and show the ratio"},
	{"json", NULL, K_FLAG, AT(json), 0, 0, "result as JSON"},
	{"help", NULL, K_FLAG, AT(help), 0, 0, "this text"},
};

static const struct {
	const char *name;
	enum load_command command;
	bool path;
	const char *help;
} commands[] = {
	{"probe", CMD_PROBE, false, "show features, tag, queues and the answer to INIT"},
	{"ls", CMD_LS, true, "list a directory"},
	{"stat", CMD_STAT, true, "show the attributes of a file"},
	{"cat", CMD_CAT, true, "copy a file to standard output"},
	{"put", CMD_PUT, true, "create or overwrite a file from standard input"},
};

void opts_usage(void)
{
	unsigned i;

	printf("usage: vfsload --socket PATH [--pattern NAME] [options]\n"
	       "       vfsload probe --socket PATH\n"
	       "       vfsload ls|stat|cat|put --socket PATH FILE\n\n"
	       "A user-space virtio-fs driver: load generator and one-shot file operations.\n\n");
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		printf("  --%-11s %-8s %s\n", rows[i].name, rows[i].arg ? rows[i].arg : "",
		       rows[i].help);
	printf("\nPatterns:\n");
	for (i = 0; i < ARRAY_SIZE(patterns); i++)
		printf("  %-15s %s\n", patterns[i].name, patterns[i].help);
	printf("\nCommands:\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-15s %s\n", commands[i].name, commands[i].help);
	printf("\nSizes take k, m, g. Exit status: 0 good, 1 failed or wrong data, 2 bad usage.\n");
}

static int bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("vfsload: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("\n", stderr);
	va_end(ap);
	return -EINVAL;
}

static int parse_number(const struct option_row *row, const char *s, uint64_t *ret)
{
	static const char units[] = "kmg";
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (row->kind == K_SIZE && *end && strchr(units, *end | 0x20)) {
		unsigned shift = 10 * (unsigned)(strchr(units, *end | 0x20) - units + 1);

		v = v > UINT64_MAX >> shift ? UINT64_MAX : v << shift;
		end++;
	}
	if (errno || end == s || *end || *s == '-')
		return bad("--%s: '%s' is not a number", row->name, s);
	if (v < row->min || v > row->max)
		return bad("--%s: must be %llu to %llu", row->name, (unsigned long long)row->min,
			   (unsigned long long)row->max);
	*ret = v;
	return 0;
}

static int parse_seconds(const struct option_row *row, const char *s, double *ret)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end || !(v >= 0 && v <= 1e6))
		return bad("--%s: '%s' is not a number of seconds", row->name, s);
	*ret = v;
	return 0;
}

/* Words for the values of an enum, in its order. */
static int parse_word(const struct option_row *row, const char *s, const char *const *words,
		      unsigned nr, void *ret)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		if (words[i] && !strcmp(words[i], s)) {
			*(unsigned *)ret = i;
			return 0;
		}
	return bad("--%s: '%s' is none of its values (see --help)", row->name, s);
}

static const char *const transports[] = {
	[VUFE_VHOST_USER] = "vhost-user", [VUFE_VFIO_USER] = "vfio-user",
};

static const char *const kicks[] = {
	[VUFE_KICK_MESSAGE] = "message", [VUFE_KICK_EVENTFD] = "eventfd",
	[VUFE_KICK_MAPPED] = "mapped",
};

static_assert(sizeof(enum vufe_transport) == sizeof(unsigned) &&
	      sizeof(enum vufe_kick) == sizeof(unsigned), "written through a pointer");

static int parse_pattern(const char *s, const struct pattern **ret)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(patterns); i++)
		if (!strcmp(patterns[i].name, s)) {
			*ret = &patterns[i];
			return 0;
		}
	return bad("--pattern: no pattern '%s' (see --help)", s);
}

static int set(struct load_opts *o, const struct option_row *row, const char *arg)
{
	void *at = (char *)o + row->offset;

	switch (row->kind) {
	case K_STRING:
		*(const char **)at = arg;
		return 0;
	case K_NUMBER:
	case K_SIZE:
		return parse_number(row, arg, at);
	case K_SECONDS:
		return parse_seconds(row, arg, at);
	case K_PATTERN:
		return parse_pattern(arg, at);
	case K_TRANSPORT:
		return parse_word(row, arg, transports, ARRAY_SIZE(transports), at);
	case K_KICK:
		return parse_word(row, arg, kicks, ARRAY_SIZE(kicks), at);
	case K_FLAG:
		/* The one flag that is the default has no field. */
		if (!strcmp(row->name, "busy-poll"))
			o->events = false;
		else
			*(bool *)at = true;
		return 0;
	}
	return -EINVAL;
}

static int check(struct load_opts *o)
{
	if (!o->socket)
		return bad("--socket PATH is required");
	if (o->command != CMD_RUN)
		return 0;
	if (!is_pow2(o->queue_size))
		return bad("--queue-size: must be a power of two");
	if (o->threads > o->queues)
		return bad("--threads: more threads than --queues; a queue has one thread");
	if (o->bs % 8 || (o->direct && o->bs % 512))
		return bad("--bs: must be a multiple of %d", o->direct ? 512 : 8);
	if (o->pattern->data && o->file_size / o->bs < o->depth)
		return bad("--file-size: must hold at least --depth blocks of --bs");
	if (o->seg_size && (o->bs + o->seg_size - 1) / o->seg_size > SEGS_MAX - 4)
		return bad("--seg-size: more than 260 segments a request");
	if (o->echo_limit && o->ops)
		return bad("--echo-limit: takes turns by time, so there is no --ops");
	if (o->server_pid) {
		uint64_t ns;

		if (cpu_time(o->server_pid, &ns))
			return bad("--server-pid: no such process");
	}
	return 0;
}

/* The words that are no options: a command, and its path. */
static int parse_words(struct load_opts *o, char **words, int nr)
{
	unsigned i;

	if (!nr)
		return 0;
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, words[0]))
			break;
	if (i == ARRAY_SIZE(commands))
		return bad("no command '%s' (see --help)", words[0]);
	if (nr != 1 + commands[i].path)
		return bad("%s: %s", words[0],
			   commands[i].path ? "needs one FILE" : "takes no FILE");
	o->command = commands[i].command;
	o->path = words[1];
	return 0;
}

int opts_parse(struct load_opts *o, int argc, char **argv)
{
	struct option longs[ARRAY_SIZE(rows) + 1] = {0};
	unsigned i;
	int c, r = 0, index;

	*o = (struct load_opts){.pattern = &patterns[0], .queues = 1, .queue_size = 256,
				.threads = 1, .depth = 64, .bs = 4096, .file_size = 64u << 20,
				.files = 64, .regions = 1, .runtime = 5, .warmup = 0.5};
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		longs[i] = (struct option){rows[i].name, rows[i].arg != NULL, NULL, 0};
	while (!r && (c = getopt_long(argc, argv, "", longs, &index)) != -1)
		r = c ? -EINVAL : set(o, &rows[index], optarg);
	if (r || o->help)
		return r;
	if (o->ops) {
		o->warmup = 0;
		o->runtime = 1e6;
	}
	r = parse_words(o, argv + optind, argc - optind);
	return r ? r : check(o);
}
