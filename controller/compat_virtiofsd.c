/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * One table has every option of virtiofsd, of the Rust one and of the older one in C, whose options
 * came as -o name=value,... with underscores. Each is passed on as an option of ours, or changes
 * struct compat, or is said by a row to have no meaning here, or is refused by name: nothing is
 * ignored in silence. What is left of the command line then is one of doca_virtiofs, checked as
 * such.
 *
 * The socket is opened here and not by the library, since in the sandbox its path does not exist;
 * the library gets the descriptor.
 */
#include "compat_virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "conf.h"
#include "sandbox.h"

#define NAME "softdpu-virtiofsd"
#define MAX_THREADS 8 /* more wait for each other at the guest's queues */

static int refuse(const char *option, const char *why)
{
	fprintf(stderr, NAME ": %s: %s\n", option, why);
	return -EINVAL;
}

static int refuse_value(const char *option, const char *value, const char *why)
{
	fprintf(stderr, NAME ": %s=%s: %s\n", option, value, why);
	return -EINVAL;
}

/* Where the option goes: the last one counts, but for rules, which add up. */
static char **place_of(struct compat *c, const char *option)
{
	size_t len = strlen(option);

	for (int i = 1; i < c->argc && strncmp(option, "translate", 9); i++) {
		const char *arg = c->argv[i] + 2;

		if (!strncmp(arg, option, len) && (!arg[len] || arg[len] == '='))
			return &c->argv[i];
	}
	return c->argc < COMPAT_MAX_ARGS ? &c->argv[c->argc] : NULL;
}

static int pass(struct compat *c, const char *option, const char *value)
{
	char *text = NULL, **place = place_of(c, option);

	if (!place)
		return refuse(option, "there are too many options");
	if (asprintf(&text, "--%s%s%s", option, value ? "=" : "", value ? value : "") < 0)
		return -ENOMEM;
	if (place == &c->argv[c->argc])
		c->argc++;
	free(*place);
	*place = text;
	return 0;
}

/* ---- options with a meaning of their own ---- */

static int number(const char *option, const char *value, long most, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(value, &end, 10);
	if (end == value || *end || errno || *ret < 0 || *ret > most)
		return refuse_value(option, value, "not a number that is possible");
	return 0;
}

static int set_dir(struct compat *c, const char *value)
{
	c->dir = value;
	return 0;
}

static int set_socket(struct compat *c, const char *value)
{
	c->socket = value;
	return 0;
}

static int set_group(struct compat *c, const char *value)
{
	c->group = value;
	return 0;
}

static int set_fd(struct compat *c, const char *value)
{
	long n;
	int rc = number("--fd", value, 1 << 20, &n);

	c->fd = rc ? -1 : (int)n;
	return rc;
}

static int set_threads(struct compat *c, const char *value)
{
	long n, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int rc = number("--thread-pool-size", value, 1 << 20, &n);

	if (n > cpus)
		n = cpus;
	c->threads = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (unsigned int)n;
	return rc;
}

static int set_xattr(struct compat *c, const char *value)
{
	c->xattr = true;
	return 0;
}

static int set_no_xattr(struct compat *c, const char *value)
{
	c->xattr = false;
	return 0;
}

static int set_xattrmap(struct compat *c, const char *value)
{
	c->xattr = true;
	c->xattrmap = value;
	return 0;
}

static int set_acl(struct compat *c, const char *value)
{
	c->xattr = true;
	return pass(c, "posix-acl", NULL);
}

static int set_sandbox(struct compat *c, const char *value)
{
	if (strcmp(value, "none") && strcmp(value, "chroot") && strcmp(value, "namespace"))
		return refuse_value("--sandbox", value, "use namespace, chroot or none");
	c->sandbox = value;
	return 0;
}

static int set_seccomp(struct compat *c, const char *value)
{
	if (filter_parse(value, &c->seccomp))
		return refuse_value("--seccomp", value, "use kill, trap, log or none");
	return pass(c, "seccomp", value);
}

static int set_handles(struct compat *c, const char *value)
{
	if (strcmp(value, "never") && strcmp(value, "prefer") && strcmp(value, "mandatory"))
		return refuse_value("--inode-file-handles", value, "use never, prefer or mandatory");
	c->need_handles = !strcmp(value, "mandatory");
	c->no_handles = !strcmp(value, "never");
	return 0;
}

static int set_cache(struct compat *c, const char *value)
{
	return pass(c, "cache", strcmp(value, "never") ? value : "none");
}

/* Looked at here, where nothing has been done yet that would have to be undone. */
static int set_caps(struct compat *c, const char *value)
{
	struct priv_mods mods;
	const char *bad;

	if (privileges_parse(value, &mods, &bad))
		return refuse_value("--modcaps", value,
				    "use capabilities with + or - before them, and colons");
	return pass(c, "modcaps", value);
}

static int set_log(struct compat *c, const char *value)
{
	static const struct {
		const char *name, *level;
	} levels[] = { { "off", "10" },	  { "error", "30" }, { "err", "30" },  { "warn", "40" },
		       { "info", "50" },  { "debug", "60" }, { "trace", "70" } };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcmp(value, levels[i].name))
			return pass(c, "log-level", levels[i].level);
	return refuse_value("--log-level", value, "use off, error, warn, info, debug or trace");
}

static int set_debug(struct compat *c, const char *value)
{
	return set_log(c, "debug");
}

static int set_syslog(struct compat *c, const char *value)
{
	c->syslog = true;
	return 0;
}

static int set_nofile(struct compat *c, const char *value)
{
	return number("--rlimit-nofile", value, 1 << 30, &c->nofile);
}

static int print_capabilities(struct compat *c, const char *value)
{
	puts("{\n  \"type\": \"fs\",\n  \"features\": [\n    \"separate-options\"\n  ]\n}");
	return 1;
}

static int print_version(struct compat *c, const char *value)
{
	puts(NAME " " SOFTDPU_VERSION);
	return 1;
}

static int print_help(struct compat *c, const char *value);

/* ---- the table ---- */

enum { LONG = 1, SUB = 2, BOTH = 3 }; /* as --name; as -o name, with underscores */

static const struct row {
	const char *name;
	unsigned int where;
	bool value;
	int (*set)(struct compat *c, const char *value); /* NULL: see pass and why */
	const char *pass; /* option of ours that means the same */
	const char *why; /* neither of both: this, and "!" at the front: refused */
} rows[] = {
	{ "shared-dir", LONG, true, set_dir, NULL, NULL },
	{ "source", SUB, true, set_dir, NULL, NULL },
	{ "socket-path", LONG, true, set_socket, NULL, NULL },
	{ "socket", LONG, true, set_socket, NULL, NULL },
	{ "socket-group", LONG, true, set_group, NULL, NULL },
	{ "fd", LONG, true, set_fd, NULL, NULL },
	{ "tag", LONG, true, NULL, "tag", NULL },
	{ "thread-pool-size", LONG, true, set_threads, NULL, NULL },
	{ "xattr", BOTH, false, set_xattr, NULL, NULL },
	{ "no-xattr", SUB, false, set_no_xattr, NULL, NULL },
	{ "xattrmap", BOTH, true, set_xattrmap, NULL, NULL },
	{ "posix-acl", BOTH, false, set_acl, NULL, NULL },
	{ "no-posix-acl", SUB, false, NULL, NULL, "off unless asked for" },
	{ "security-label", BOTH, false, NULL, "security-label", NULL },
	{ "no-security-label", SUB, false, NULL, NULL, "off unless asked for" },
	{ "sandbox", BOTH, true, set_sandbox, NULL, NULL },
	{ "seccomp", LONG, true, set_seccomp, NULL, NULL },
	{ "readonly", LONG, false, NULL, "readonly", NULL },
	{ "cache", BOTH, true, set_cache, NULL, NULL },
	{ "writeback", BOTH, false, NULL, "writeback", NULL },
	{ "no-writeback", SUB, false, NULL, NULL, "off unless asked for" },
	{ "allow-direct-io", BOTH, false, NULL, "allow-direct-io", NULL },
	{ "no-allow-direct-io", SUB, false, NULL, NULL, "off unless asked for" },
	{ "allow-mmap", LONG, false, NULL, NULL, "allowed wherever the guest's kernel asks" },
	{ "flock", SUB, false, NULL, NULL, "on unless forbidden" },
	{ "no-flock", SUB, false, NULL, "no-flock", NULL },
	{ "posix-lock", SUB, false, NULL, NULL, "on unless forbidden" },
	{ "no-posix-lock", SUB, false, NULL, "no-posix-lock", NULL },
	{ "killpriv-v2", BOTH, false, NULL, NULL, "on unless forbidden" },
	{ "no-killpriv-v2", BOTH, false, NULL, "no-killpriv-v2", NULL },
	{ "announce-submounts", BOTH, false, NULL, NULL, "done unless forbidden" },
	{ "no-announce-submounts", BOTH, false, NULL, "no-submounts", NULL },
	{ "readdirplus", SUB, false, NULL, NULL, "offered unless forbidden" },
	{ "no-readdirplus", BOTH, false, NULL, "no-readdirplus", NULL },
	{ "inode-file-handles", LONG, true, set_handles, NULL, NULL },
	{ "modcaps", BOTH, true, set_caps, NULL, NULL },
	{ "translate-uid", LONG, true, NULL, "translate-uid", NULL },
	{ "translate-gid", LONG, true, NULL, "translate-gid", NULL },
	{ "uid-map", LONG, true, NULL, NULL,
	  "!user name spaces are not supported: use --translate-uid" },
	{ "gid-map", LONG, true, NULL, NULL,
	  "!user name spaces are not supported: use --translate-gid" },
	{ "preserve-noatime", LONG, false, NULL, NULL, "always done" },
	{ "migration-mode", LONG, true, NULL, NULL, "!migration is not supported" },
	{ "migration-on-error", LONG, true, NULL, NULL, "!migration is not supported" },
	{ "migration-verify-handles", LONG, false, NULL, NULL, "!migration is not supported" },
	{ "migration-confirm-paths", LONG, false, NULL, NULL, "!migration is not supported" },
	{ "timeout", SUB, true, NULL, NULL, "!not supported: use cache" },
	{ "max-idle-threads", SUB, true, NULL, NULL, "!there are no idle threads" },
	{ "daemonize", LONG, false, NULL, NULL, "!it stays in the foreground" },
	{ "rlimit-nofile", LONG, true, set_nofile, NULL, NULL },
	{ "log-level", BOTH, true, set_log, NULL, NULL },
	{ "debug", SUB, false, set_debug, NULL, NULL },
	{ "syslog", LONG, false, set_syslog, NULL, NULL },
	{ "print-capabilities", LONG, false, print_capabilities, NULL, NULL },
	{ "version", LONG, false, print_version, NULL, NULL },
	{ "help", LONG, false, print_help, NULL, NULL },
};

static int print_help(struct compat *c, const char *value)
{
	printf("usage: " NAME " --shared-dir DIR {--socket-path PATH | --fd N} [option...]\n"
	       "The options of virtiofsd; see " NAME "(1). Long ones:\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].where & LONG && (!rows[i].why || rows[i].why[0] != '!'))
			printf("  --%s%s\n", rows[i].name, rows[i].value ? "=VALUE" : "");
	return 1;
}

/* ---- reading ---- */

/* name is len bytes; underscores are dashes. */
static bool same_name(const char *row, const char *name, size_t len)
{
	if (strlen(row) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (row[i] != (name[i] == '_' ? '-' : name[i]))
			return false;
	return true;
}

static const struct row *find_row(const char *name, size_t len, unsigned int where)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].where & where && same_name(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static int apply(struct compat *c, const struct row *row, const char *shown, const char *value)
{
	if (row->value && !value)
		return refuse(shown, "needs a value");
	if (!row->value && value)
		return refuse(shown, "takes no value");
	if (row->set)
		return row->set(c, value);
	if (row->pass)
		return pass(c, row->pass, value);
	return row->why[0] == '!' ? refuse(shown, row->why + 1) : 0;
}

/* Cuts "a=b,,c,d" at the first comma that is alone; two stand for one. Where the next one starts.
 */
static char *next_sub(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == ',' && text[1] != ',')
			break;
		if (*text == ',')
			text++;
		*to++ = *text;
	}
	if (!*text) {
		*to = '\0';
		return NULL;
	}
	*to = '\0';
	return text + 1;
}

static int read_subs(struct compat *c, char *text)
{
	int rc = 0;

	while (!rc && text) {
		char *next = next_sub(text), *value = strchr(text, '=');
		const struct row *row;

		if (value)
			*value++ = '\0';
		row = find_row(text, strlen(text), SUB);
		if (*text)
			rc = row ? apply(c, row, text, value) : refuse(text, "-o does not know this");
		text = next;
	}
	return rc;
}

/* --name, --name=value or --name value. */
static int read_long(struct compat *c, char **argv, int argc, int *i)
{
	char *shown = argv[*i], *arg = shown + 2, *value = strchr(arg, '=');
	size_t len = value ? (size_t)(value - arg) : strlen(arg);
	const struct row *row = memchr(arg, '_', len) ? NULL : find_row(arg, len, LONG);

	if (!row)
		return refuse(shown, "unknown option");
	if (value)
		*value++ = '\0';
	else if (row->value && *i + 1 < argc)
		value = argv[++*i];
	return apply(c, row, shown, value);
}

static int read_one(struct compat *c, char **argv, int argc, int *i)
{
	const char *arg = argv[*i];

	if (!strncmp(arg, "--", 2) && arg[2])
		return read_long(c, argv, argc, i);
	if (!strncmp(arg, "-o", 2)) {
		if (arg[2])
			return read_subs(c, argv[*i] + 2);
		return *i + 1 < argc ? read_subs(c, argv[++*i]) : refuse(arg, "needs a value");
	}
	if (!strcmp(arg, "-f"))
		return 0; /* it stays in the foreground anyway */
	if (!strcmp(arg, "-d"))
		return set_debug(c, NULL);
	if (!strcmp(arg, "-V"))
		return print_version(c, NULL);
	return strcmp(arg, "-h") ? refuse(arg, "unknown option") : print_help(c, NULL);
}

static int check(struct compat *c)
{
	if (!c->dir)
		return refuse("--shared-dir", "is missing");
	if ((c->fd >= 0) + !!c->socket != 1)
		return refuse("--socket-path, --fd", "one of them is needed, not both");
	if (c->group && !c->socket)
		return refuse("--socket-group", "is of --socket-path");
	if (strcmp(c->sandbox, "none") && geteuid())
		return refuse("--sandbox", "namespace and chroot need root: use --sandbox=none");
	return 0;
}

bool compat_wanted(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	return argv0 && !strcmp(slash ? slash + 1 : argv0, NAME);
}

int compat_parse(struct compat *c, int argc, char **argv)
{
	int rc = 0;

	*c = (struct compat){ .fd = -1, .threads = 1, .sandbox = "namespace" };
	c->argv[c->argc++] = strdup(NAME);
	for (int i = 1; !rc && i < argc; i++)
		rc = read_one(c, argv, argc, &i);
	if (!rc)
		rc = check(c);
	/* As there: no extended attributes unless asked for. */
	if (!rc && c->no_handles)
		rc = pass(c, "no-file-handles", NULL);
	if (!rc && (c->xattrmap || !c->xattr))
		rc = pass(c, "xattrmap", c->xattr ? c->xattrmap : ":unsupported:all:::");
	return rc;
}

/* ---- doing ---- */

static int check_handles(const char *dir)
{
	struct {
		struct file_handle head;
		char room[MAX_HANDLE_SZ];
	} h = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount, root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (root >= 0 && !name_to_handle_at(root, "", &h.head, &mount, AT_EMPTY_PATH))
		fd = open_by_handle_at(root, &h.head, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (root >= 0)
		close(root);
	return fd < 0 ? refuse("--inode-file-handles=mandatory", strerror(errno)) : 0;
}

static int check_dir(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return refuse_value("--shared-dir", dir, strerror(errno));
	close(fd);
	return 0;
}

static int set_limit(long nofile)
{
	struct rlimit lim = { (rlim_t)nofile, (rlim_t)nofile };
	char text[24];

	snprintf(text, sizeof(text), "%ld", nofile);
	return setrlimit(RLIMIT_NOFILE, &lim) ?
		       refuse_value("--rlimit-nofile", text, strerror(errno)) :
		       0;
}

/* A socket nobody answers at is in the way; anything else is not ours to remove. */
static int clear_path(const char *path, const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
	struct stat st;

	if (fd < 0 || lstat(path, &st)) {
		rc = fd >= 0 && errno == ENOENT ? 0 : -errno;
	} else if (!S_ISSOCK(st.st_mode)) {
		rc = -EEXIST;
	} else if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
		   errno != ECONNREFUSED) {
		rc = -EADDRINUSE;
	} else {
		rc = unlink(path) ? -errno : 0;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Said already when it fails. */
static int give_to_group(const char *path, const char *name)
{
	const struct group *gr = name ? getgrnam(name) : NULL;

	if (name && !gr)
		return refuse_value("--socket-group", name, "no such group");
	if (gr && chown(path, (uid_t)-1, gr->gr_gid))
		return refuse_value("--socket-group", name, strerror(errno));
	return 0;
}

/* The socket, listening, with its descriptor in c->fd. */
static int open_socket(struct compat *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(c->socket) >= sizeof(addr.sun_path))
		return refuse_value("--socket-path", c->socket, "longer than 107 bytes");
	strcpy(addr.sun_path, c->socket);
	rc = clear_path(c->socket, &addr);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!rc && (c->fd < 0 || bind(c->fd, (const struct sockaddr *)&addr, sizeof(addr))))
		rc = -errno;
	c->bound = !rc;
	if (!rc && chmod(c->socket, 0660))
		rc = -errno;
	if (rc)
		return refuse_value("--socket-path", c->socket, strerror(-rc));
	rc = give_to_group(c->socket, c->group);
	return rc || !listen(c->fd, 8) ? rc : refuse(c->socket, strerror(errno));
}

static int pass_places(struct compat *c, const char *dir)
{
	char text[16];
	int rc = pass(c, "local", dir);

	snprintf(text, sizeof(text), "fd:%d", c->fd);
	return rc ? rc : pass(c, "socket-path", text);
}

int compat_enter(struct compat *c)
{
	bool inside = strcmp(c->sandbox, "none") != 0;
	int rc = check_dir(c->dir);

	if (!rc && c->nofile)
		rc = set_limit(c->nofile);
	if (!rc && c->need_handles)
		rc = check_handles(c->dir);
	if (!rc && c->socket)
		rc = open_socket(c);
	if (!rc && inside) {
		rc = sandbox_enter(c->dir, !strcmp(c->sandbox, "namespace"), c->socket,
				   c->seccomp);
		c->bound = c->bound && rc; /* from now on the parent's to remove */
	}
	if (!rc && inside) /* nobody could reach it */
		rc = pass(c, "rpc-socket", "none");
	return rc ? rc : pass_places(c, inside ? SANDBOX_DIR : c->dir);
}

void compat_adjust(const struct compat *c, struct conf *conf)
{
	if (!c->argc)
		return;
	conf->nr_cpus = c->threads;
	for (unsigned int i = 0; i < c->threads; i++)
		conf->cpu[i] = CONF_ANY_CPU;
}

void compat_fini(struct compat *c)
{
	if (c->bound)
		unlink(c->socket);
	for (int i = 0; i < c->argc; i++)
		free(c->argv[i]);
}
