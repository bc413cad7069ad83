/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation: the server is forked once, its output goes to a log in the private
 * directory which is shown when the server dies. The pid is checked after every case, so a server
 * that crashed and was started anew by somebody would not pass for one that survived.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 5000

static struct {
	char dir[64];
	char socket[96];
	char second[96];
	char conf[96];
	char log[96];
	char export[96];
	bool local; /* serves export, not the null file system */
	bool two; /* devices, by conf */
	bool mapped; /* doorbells, by conf, which is a board then */
	const char *args;
	pid_t pid; /* 0: not ours */
} server;

/* The socket of the latest connection. A test that failed left it open, and the server busy. */
static struct {
	int fd;
	ino_t ino;
	bool mounted; /* INIT went over it */
} latest = {.fd = -1};

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

const char *harness_socket(void)
{
	const char *given = getenv("VUFE_SOCKET");

	return given ? given : server.socket;
}

void harness_need_server(void)
{
	if (getenv("VUFE_SOCKET") || getenv("DOCA_VIRTIOFS"))
		return;
	fprintf(stderr, "neither VUFE_SOCKET nor DOCA_VIRTIOFS is set: skipped\n");
	exit(77);
}

bool harness_is_vfio(void)
{
	const char *name = getenv("VUFE_TRANSPORT");

	return name && !strcmp(name, "vfio-user");
}

void harness_use_args(const char *args)
{
	server.args = args;
}

void harness_use_mapped_doorbells(void)
{
	server.mapped = true;
}

pid_t harness_pid(void)
{
	return server.pid;
}

unsigned harness_server_fds(void)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", server.pid);
	d = server.pid ? opendir(path) : NULL;
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

void harness_use_local(void)
{
	server.local = true;
}

void harness_use_two(void)
{
	server.two = true;
}

const char *harness_second_socket(void)
{
	return server.second;
}

static void show_log(void)
{
	char line[512];
	FILE *f = fopen(server.log, "r");

	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "server: %s", line);
	if (f)
		fclose(f);
}

static size_t add_words(char **argv, size_t nr, size_t max, const char *more)
{
	char *word = more ? strtok(strdup(more), " ") : NULL;

	for (; word && nr + 1 < max; word = strtok(NULL, " "))
		argv[nr++] = word;
	return nr;
}

static void exec_server(char *program)
{
	char *argv[24] = {program, "--socket-path", server.socket, "--null"};
	const size_t max = sizeof(argv) / sizeof(argv[0]);
	size_t nr = server.local ? 5 : 4;
	int fd = open(server.log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (server.local) {
		argv[3] = "--local";
		argv[4] = server.export;
	}
	if (server.two) {
		argv[1] = "--config";
		argv[2] = server.conf;
	}
	if (server.mapped) {
		setenv("SOFTDPU_BOARD", server.conf, 1);
		argv[1] = "--tag";
		argv[2] = "mapped";
	}
	nr = add_words(argv, nr, max, harness_is_vfio() ? "--transport vfio-user" : NULL);
	nr = add_words(argv, nr, max, server.args);
	add_words(argv, nr, max, getenv("DOCA_VIRTIOFS_ARGS"));
	execv(program, argv);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

static int write_board(void)
{
	FILE *f = fopen(server.conf, "w");

	if (!f)
		return -1;
	fprintf(f, "{\"managers\": [{\"name\": \"mlx5_0\", \"VIRTIO_FS_EMULATION_NUM_PF\": 1, "
		"\"functions\": [{\"transport\": \"vfio-user\", \"doorbell\": \"mapped\", "
		"\"socket\": \"%s\"}]}]}\n", server.socket);
	return fclose(f);
}

static int write_conf(void)
{
	FILE *f = fopen(server.conf, "w");

	if (!f)
		return -1;
	/* --transport is the default of what the file says. */
	fprintf(f, "{\"devices\": [{\"tag\": \"one\", \"socket\": \"%s\"}, "
		"{\"tag\": \"two\", \"socket\": \"%s\"}]}\n", server.socket, server.second);
	return fclose(f);
}

static int make_dir(void)
{
	strcpy(server.dir, "/tmp/proto.XXXXXX");
	if (!mkdtemp(server.dir))
		return -1;
	snprintf(server.socket, sizeof(server.socket), "%s/vfs.sock", server.dir);
	snprintf(server.second, sizeof(server.second), "%s/two.sock", server.dir);
	snprintf(server.conf, sizeof(server.conf), "%s/conf", server.dir);
	snprintf(server.log, sizeof(server.log), "%s/log", server.dir);
	snprintf(server.export, sizeof(server.export), "%s/export", server.dir);
	if (server.two)
		return mkdir(server.export, 0755) || write_conf() ? -1 : 0;
	return mkdir(server.export, 0755) || (server.mapped && write_board()) ? -1 : 0;
}

int harness_setup(void **state)
{
	struct stat st;
	int i;

	signal(SIGPIPE, SIG_IGN);
	if (getenv("VUFE_SOCKET"))
		return 0;
	if (make_dir())
		return -1;
	server.pid = fork();
	if (server.pid == 0)
		exec_server(getenv("DOCA_VIRTIOFS"));
	for (i = 0; i < GRACE_MS / 10; i++) {
		if (!stat(server.socket, &st))
			return 0;
		if (waitpid(server.pid, NULL, WNOHANG)) {
			server.pid = 0;
			break;
		}
		sleep_ms(10);
	}
	show_log();
	fprintf(stderr, "the server did not open %s\n", server.socket);
	harness_teardown(state);
	return -1;
}

static int wait_exit(int ms)
{
	int status, i;

	for (i = 0; i < ms / 10; i++) {
		if (waitpid(server.pid, &status, WNOHANG) == server.pid)
			return status;
		sleep_ms(10);
	}
	kill(server.pid, SIGKILL);
	waitpid(server.pid, &status, 0);
	return status;
}

int harness_teardown(void **state)
{
	int status = 0;

	if (server.pid) {
		kill(server.pid, SIGTERM);
		status = wait_exit(GRACE_MS);
		if (status) {
			show_log();
			fprintf(stderr, "the server ended with status 0x%x\n", status);
		}
		server.pid = 0;
	}
	if (server.dir[0]) {
		unlink(server.log);
		unlink(server.socket);
		unlink(server.second);
		unlink(server.conf);
		rmdir(server.export);
		rmdir(server.dir);
	}
	return status;
}

void assert_alive(void)
{
	int status;

	if (!server.pid || waitpid(server.pid, &status, WNOHANG) == 0)
		return;
	server.pid = 0;
	show_log();
	fail_msg("the server is dead, status 0x%x", status);
}

struct vufe_opts harness_opts(void)
{
	return (struct vufe_opts){.path = harness_socket(), .queue_size = 64,
				  .transport = harness_is_vfio() ? VUFE_VFIO_USER : VUFE_VHOST_USER,
				  .private_mem = harness_is_vfio() && getenv("VUFE_PRIVATE"),
				  .max_segs = 16, .mem_size = 8u << 20, .timeout_ms = 3000};
}

static void hang_up_latest(void)
{
	struct stat st;

	if (latest.fd >= 0 && !fstat(latest.fd, &st) && st.st_ino == latest.ino)
		close(latest.fd);
	latest.fd = -1;
}

void connect_good(struct vufe_dev *dev, const struct vufe_opts *opts)
{
	struct stat st;
	int i, r = -1;

	hang_up_latest();
	latest.mounted = false;
	vufe_prepare(dev, opts);
	for (i = 0; i < GRACE_MS / 10; i++) {
		r = vufe_connect(dev);
		if (!r && !fstat(dev->sock, &st)) {
			latest.fd = dev->sock;
			latest.ino = st.st_ino;
			return;
		}
		assert_alive();
		sleep_ms(10);
	}
	fail_msg("connect: %s", dev->err);
}

void open_good(struct vufe_dev *dev, const struct vufe_opts *opts)
{
	int r;

	connect_good(dev, opts);
	r = vufe_negotiate(dev);
	if (!r)
		r = vufe_mem_create(dev);
	if (!r)
		r = vufe_mem_send(dev);
	if (!r)
		r = vufe_vqs_create(dev);
	if (!r)
		r = vufe_vqs_start(dev);
	if (!r)
		return;
	assert_alive();
	fail_msg("open: %s", dev->err);
}

void harness_new_mount(void)
{
	latest.mounted = false;
}

void assert_pings(struct vufe_dev *dev, unsigned q)
{
	static struct vufe_fs fs;
	int r = 0;

	if (!latest.mounted)
		r = vufe_fs_init(&fs, dev);
	latest.mounted = true;
	fs.dev = dev;
	fs.queue = q;
	if (!r)
		r = vufe_ping(&fs);
	if (r)
		assert_alive();
	if (r)
		fail_msg("ping: %s: %s", strerror(-r), dev->err);
}

void assert_serves(void)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;

	assert_alive();
	open_good(&dev, &o);
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

uint16_t post_getattr(struct vufe_fs *fs, struct vufe_vq *vq)
{
	struct vufe_dev *dev = fs->dev;
	struct vufe_seg seg[2] = {{.len = 56}, {.len = 256}};
	struct fuse_in_header *h = vufe_alloc(dev, 56, 64, &seg[0].gpa);
	int head;

	assert_non_null(h);
	assert_non_null(vufe_alloc(dev, 256, 64, &seg[1].gpa));
	memset(h, 0, 56);
	vufe_fill_header(fs, h, FUSE_GETATTR, FUSE_ROOT_ID, 16);
	head = vufe_vq_build(vq, seg, 1, 1);
	assert_true(head >= 0);
	vufe_vq_post(vq, (uint16_t)head);
	return (uint16_t)head;
}

bool completes(struct vufe_vq *vq, uint16_t *ret_head)
{
	uint32_t len;
	int i;

	for (i = 0; i < 1000; i++) {
		if (vufe_vq_pop(vq, ret_head, &len) == 1)
			return true;
		vufe_vq_wait(vq, 10);
	}
	return false;
}

int run_rows(const char *group, const void *rows, size_t nr, size_t row_size,
	     CMUnitTestFunction run)
{
	struct CMUnitTest *t = calloc(nr, sizeof(*t));
	size_t i;
	int r;

	if (!t)
		return 1;
	for (i = 0; i < nr; i++) {
		const char *row = (const char *)rows + i * row_size;

		t[i].name = *(const char *const *)row;
		t[i].test_func = run;
		t[i].initial_state = (void *)row;
	}
	r = _cmocka_run_group_tests(group, t, nr, harness_setup, harness_teardown);
	free(t);
	return r;
}
