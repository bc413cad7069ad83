/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "core/log.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(TEST::LOG);
SD_LOG_REGISTER(TEST);

/* Lines from constructors must be dropped in peace: there is no backend yet. */
static doca_error_t early_result = DOCA_ERROR_UNKNOWN;

static void __attribute__((constructor)) log_early(void)
{
	early_result = doca_log(DOCA_LOG_LEVEL_CRIT, log_source, __FILE__, __LINE__, __func__,
				"before main");
	sd_log_crit("before main");
}

/* A buffer backend that keeps what it was given. Backends live for ever, so one per purpose. */
struct sink {
	char buf[4096];
	struct doca_log_backend *backend;
};

static struct sink app, sdk, tiny, noisy;
static int app_lines, sdk_lines, noisy_lines;

static void on_app(char *buf)
{
	app_lines++;
}

static void on_sdk(char *buf)
{
	sdk_lines++;
}

static void on_tiny(char *buf)
{
}

/* Logs from within the handler, which must neither deadlock nor recurse. */
static void on_noisy(char *buf)
{
	noisy_lines++;
	DOCA_LOG_CRIT("from the handler");
}

static int create_sinks(void **cookie)
{
	return doca_log_backend_create_with_buf(app.buf, sizeof(app.buf), on_app, &app.backend) ||
	       doca_log_backend_create_with_buf_sdk(sdk.buf, sizeof(sdk.buf), on_sdk,
						    &sdk.backend);
}

static int reset(void **cookie)
{
	doca_log_level_set_global_lower_limit(DOCA_LOG_LEVEL_INFO);
	doca_log_level_set_global_upper_limit(DOCA_LOG_LEVEL_CRIT);
	doca_log_level_set_global_sdk_limit(DOCA_LOG_LEVEL_INFO);
	app_lines = sdk_lines = 0;
	app.buf[0] = sdk.buf[0] = '\0';
	return 0;
}

static void test_before_main(void **cookie)
{
	assert_int_equal(early_result, DOCA_SUCCESS);
	assert_int_equal(doca_log_level_get_global_lower_limit(), DOCA_LOG_LEVEL_INFO);
	assert_int_equal(doca_log_level_get_global_upper_limit(), DOCA_LOG_LEVEL_CRIT);
	assert_int_equal(doca_log_level_get_global_sdk_limit(), DOCA_LOG_LEVEL_INFO);
}

static void test_format(void **cookie)
{
	int h, m, s, us, pid, line, n = 0;

	DOCA_LOG_WARN("value %d\n", 7);
	assert_int_equal(sscanf(app.buf, "[%2d:%2d:%2d:%6d][%d][DOCA][WRN][TEST::LOG]"
				"[test_log.c:%d][test_format] value 7%n", &h, &m, &s, &us, &pid,
				&line, &n), 6);
	assert_int_equal(pid, getpid());
	assert_string_equal(app.buf + n, "\n");
	assert_int_equal(app_lines, 1);
	assert_int_equal(sdk_lines, 0);
}

/* Names chosen by a guest end up in lines: they must not be able to forge one. */
static void test_no_second_line(void **cookie)
{
	DOCA_LOG_ERR("name %s end", "a\n[DOCA][INF] fake\r\x1b[2J");
	assert_ptr_equal(strchr(app.buf, '\n'), app.buf + strlen(app.buf) - 1);
	assert_null(strpbrk(app.buf, "\r\x1b"));
}

static void test_long_line(void **cookie)
{
	static char text[10000];

	memset(text, 'x', sizeof(text) - 1);
	DOCA_LOG_ERR("%s", text);
	assert_in_range(strlen(app.buf), 1000, 2047);
	assert_string_equal(app.buf + strlen(app.buf) - 4, "...\n");

	assert_int_equal(doca_log_backend_create_with_buf(tiny.buf, 8, on_tiny, &tiny.backend),
			 DOCA_SUCCESS);
	memset(tiny.buf, '#', 16);
	DOCA_LOG_ERR("cut");
	assert_int_equal(strlen(tiny.buf), 7);
	assert_int_equal(tiny.buf[8], '#');
}

static void test_window(void **cookie)
{
	DOCA_LOG_DBG("too verbose");
	assert_int_equal(app_lines, 0);
	assert_int_equal(doca_log_backend_set_level_lower_limit(app.backend, DOCA_LOG_LEVEL_TRACE),
			 DOCA_SUCCESS);
	DOCA_LOG_DBG("now shown");
	DOCA_LOG(DOCA_LOG_LEVEL_TRACE, "%s", "and this");
	assert_int_equal(app_lines, 2);
	assert_int_equal(doca_log_backend_set_level_upper_limit(app.backend,
								DOCA_LOG_LEVEL_WARNING),
			 DOCA_SUCCESS);
	DOCA_LOG_ERR("too severe");
	DOCA_LOG_WARN("in");
	assert_int_equal(app_lines, 3);
	doca_log_level_set_global_lower_limit(DOCA_LOG_LEVEL_DISABLE);
	DOCA_LOG_WARN("disabled");
	assert_int_equal(app_lines, 3);
}

static void test_sdk_lines(void **cookie)
{
	sd_log_warn("from the library: %d", 1);
	sd_log_dbg("too verbose");
	assert_int_equal(sdk_lines, 1);
	assert_int_equal(app_lines, 0);
	assert_non_null(strstr(sdk.buf, "[WRN][SOFTDPU::TEST][test_log.c:"));
	assert_int_equal(doca_log_backend_set_sdk_level(sdk.backend, DOCA_LOG_LEVEL_DEBUG),
			 DOCA_SUCCESS);
	sd_log_dbg("shown");
	assert_int_equal(sdk_lines, 2);
	assert_int_equal(doca_log_level_set_global_sdk_limit(DOCA_LOG_LEVEL_ERROR), DOCA_SUCCESS);
	assert_int_equal(doca_log_level_get_global_sdk_limit(), DOCA_LOG_LEVEL_ERROR);
	sd_log_warn("too verbose");
	assert_int_equal(sdk_lines, 2);
}

static void test_ratelimit(void **cookie)
{
	struct sd_log_limit limit = {.next_ns = 0};
	uint32_t suppressed;
	int passed = 0;

	for (int i = 0; i < 1000; i++)
		sd_log_ratelimited_warn("guest did %s", "it");
	assert_in_range(sdk_lines, 1, 3);

	for (int i = 0; i < 1000; i++)
		passed += sd_log_limit_pass(&limit, &suppressed);
	assert_in_range(passed, 1, 3);
	limit.next_ns = 0; /* a second later */
	assert_true(sd_log_limit_pass(&limit, &suppressed));
	assert_in_range(suppressed, 990, 999);
}

static void test_strict(void **cookie)
{
	char buf[256];
	struct doca_log_backend *b;

	assert_int_equal(doca_log_backend_create_with_buf(buf, sizeof(buf), on_tiny, &b),
			 DOCA_SUCCESS);
	doca_log_backend_set_level_lower_limit(b, DOCA_LOG_LEVEL_WARNING);
	doca_log_backend_set_level_upper_limit(b, DOCA_LOG_LEVEL_ERROR);
	assert_int_equal(doca_log_backend_set_level_lower_limit_strict(b), DOCA_SUCCESS);
	assert_int_equal(doca_log_backend_set_level_upper_limit_strict(b), DOCA_SUCCESS);
	assert_int_equal(doca_log_backend_set_level_lower_limit(b, DOCA_LOG_LEVEL_INFO),
			 DOCA_ERROR_NOT_PERMITTED);
	assert_int_equal(doca_log_backend_set_level_upper_limit(b, DOCA_LOG_LEVEL_CRIT),
			 DOCA_ERROR_NOT_PERMITTED);
	/* The global limits can not open the window either, but close it. */
	buf[0] = '\0';
	doca_log_level_set_global_lower_limit(DOCA_LOG_LEVEL_TRACE);
	doca_log_level_set_global_upper_limit(DOCA_LOG_LEVEL_CRIT);
	DOCA_LOG_INFO("too verbose");
	DOCA_LOG_CRIT("too severe");
	assert_string_equal(buf, "");
	DOCA_LOG_WARN("in");
	assert_non_null(strstr(buf, "in\n"));
	buf[0] = '\0';
	doca_log_level_set_global_lower_limit(DOCA_LOG_LEVEL_ERROR);
	DOCA_LOG_WARN("closed");
	assert_string_equal(buf, "");
	doca_log_backend_set_level_lower_limit(b, DOCA_LOG_LEVEL_DISABLE);
	doca_log_backend_set_level_lower_limit_strict(b);
}

static void test_bad_arguments(void **cookie)
{
	struct doca_log_backend *b;
	char buf[16];

	assert_int_equal(doca_log_backend_create_with_buf(NULL, 8, on_tiny, &b),
			 DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_buf(buf, 0, on_tiny, &b),
			 DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_buf(buf, 8, NULL, &b),
			 DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_buf(buf, 8, on_tiny, NULL),
			 DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_fd(-1, &b), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_file(NULL, &b), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_create_with_syslog(NULL, &b), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_level_set_global_lower_limit(0), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_level_set_global_lower_limit(80), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_level_set_global_upper_limit(45), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_level_set_global_sdk_limit(UINT32_MAX), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_set_level_lower_limit(NULL, 50),
			 DOCA_ERROR_INVALID_VALUE);
	/* Each kind of backend has its own calls. */
	assert_int_equal(doca_log_backend_set_level_lower_limit(sdk.backend, 50),
			 DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_backend_set_sdk_level(app.backend, 50), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log(5, log_source, "f", 1, "f", "x"), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log(20, 123456, "f", 1, "f", "x"), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log(20, -1, "f", 1, "f", "x"), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(app_lines + sdk_lines, 0);
}

static void test_sources(void **cookie)
{
	int ids[100];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		char name[16];

		snprintf(name, sizeof(name), "S::%zu", i);
		assert_int_equal(doca_log_register_source(name, &ids[i]), DOCA_SUCCESS);
	}
	assert_int_equal(doca_log(20, ids[77], NULL, 1, NULL, "x"), DOCA_SUCCESS);
	assert_non_null(strstr(app.buf, "[S::77][?:1][?] x"));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(doca_log_unregister_source(ids[i]), DOCA_SUCCESS);
	assert_int_equal(doca_log_unregister_source(ids[0]), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_unregister_source(-5), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log_register_source(NULL, &ids[0]), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_log(20, ids[77], NULL, 1, NULL, "x"), DOCA_ERROR_INVALID_VALUE);
}

static void test_handler_that_logs(void **cookie)
{
	assert_int_equal(doca_log_backend_create_with_buf(noisy.buf, sizeof(noisy.buf), on_noisy,
							  &noisy.backend), DOCA_SUCCESS);
	DOCA_LOG_INFO("one");
	assert_int_equal(noisy_lines, 1);
	doca_log_backend_set_level_lower_limit(noisy.backend, DOCA_LOG_LEVEL_DISABLE);
	doca_log_backend_set_level_lower_limit_strict(noisy.backend);
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		DOCA_LOG_INFO("thread %s line %d end", (const char *)arg, i);
	return NULL;
}

/* Reads a descriptor to its end; the caller frees. */
static char *slurp(int fd)
{
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	ssize_t n;

	assert_non_null(text);
	while (len < (1 << 20) - 1 && (n = read(fd, text + len, (1 << 20) - 1 - len)) > 0)
		len += (size_t)n;
	return text;
}

/* Four threads into a file backend: whole lines only. In a child, since backends stay. */
static void test_threads(void **cookie)
{
	static char *const names[] = {"aaaa", "bbbb", "cccc", "dddd"};
	char path[] = "/tmp/test-log-XXXXXX";
	int fd = mkstemp(path), status, lines = 0;
	char *text, *line;
	pid_t pid;

	assert_true(fd >= 0);
	unlink(path);
	pid = fork();
	if (!pid) {
		struct doca_log_backend *b;
		pthread_t threads[ARRAY_SIZE(names)];

		if (doca_log_backend_create_with_fd(fd, &b))
			_exit(1);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			pthread_create(&threads[i], NULL, log_many, names[i]);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			pthread_join(threads[i], NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	lseek(fd, 0, SEEK_SET);
	text = slurp(fd);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		char name[8];
		int number, n = 0;

		line = strstr(line, "thread ");
		assert_non_null(line);
		assert_int_equal(sscanf(line, "thread %4s line %d end%n", name, &number, &n), 2);
		assert_int_equal(line[n], '\0');
	}
	assert_int_equal(lines, 800);
	free(text);
	close(fd);
}

/* What a child prints to stdout and stderr with the standard backends. */
static void run_standard(const char *env, uint32_t level, char **ret_out, char **ret_err)
{
	int out[2], err[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	pid = fork();
	if (!pid) {
		char text[16];

		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		snprintf(text, sizeof(text), "%u", level);
		if (env)
			setenv("DOCA_LOG_LEVEL", env, 1);
		execl("/proc/self/exe", "test_log", "--standard", text, NULL);
		_exit(1);
	}
	close(out[1]);
	close(err[1]);
	*ret_out = slurp(out[0]);
	*ret_err = slurp(err[0]);
	close(out[0]);
	close(err[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The program in the child; level 0 leaves the limit alone. */
static int standard_child(uint32_t level)
{
	if (doca_log_backend_create_standard() || doca_log_backend_create_standard())
		return 1;
	if (level && doca_log_level_set_global_lower_limit(level))
		return 1;
	DOCA_LOG_CRIT("crit");
	DOCA_LOG_WARN("warn");
	DOCA_LOG_INFO("info");
	DOCA_LOG_DBG("debug");
	sd_log_crit("library");
	return 0;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		n++;
	return n;
}

static void test_standard(void **cookie)
{
	static const struct {
		const char *env;
		uint32_t level;
		int crit, warn, info, debug;
	} cases[] = {
		{NULL, 0, 1, 1, 1, 0},
		{NULL, DOCA_LOG_LEVEL_DEBUG, 1, 1, 1, 1},
		{NULL, DOCA_LOG_LEVEL_ERROR, 1, 0, 0, 0},
		{"DEBUG", 0, 1, 1, 1, 1},
		{"warning", 0, 1, 1, 0, 0},
		{"20", 0, 1, 0, 0, 0},
		{"nonsense", 0, 1, 1, 1, 0},
		{"DEBUG", DOCA_LOG_LEVEL_INFO, 1, 1, 1, 0}, /* the program's word is the last */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *out, *err;

		run_standard(cases[i].env, cases[i].level, &out, &err);
		assert_int_equal(count(err, "] crit\n"), cases[i].crit);
		assert_int_equal(count(err, "] warn\n"), cases[i].warn);
		assert_int_equal(count(out, "] info\n"), cases[i].info);
		assert_int_equal(count(out, "] debug\n"), cases[i].debug);
		assert_int_equal(count(out, "\n") + count(err, "\n"),
				 cases[i].crit + cases[i].warn + cases[i].info + cases[i].debug);
		free(out);
		free(err);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_main),
		cmocka_unit_test_setup(test_format, reset),
		cmocka_unit_test_setup(test_no_second_line, reset),
		cmocka_unit_test_setup(test_long_line, reset),
		cmocka_unit_test_setup(test_window, reset),
		cmocka_unit_test_setup(test_sdk_lines, reset),
		cmocka_unit_test_setup(test_ratelimit, reset),
		cmocka_unit_test_setup(test_strict, reset),
		cmocka_unit_test_setup(test_bad_arguments, reset),
		cmocka_unit_test_setup(test_sources, reset),
		cmocka_unit_test_setup(test_handler_that_logs, reset),
		cmocka_unit_test_setup(test_threads, reset),
		cmocka_unit_test(test_standard),
	};

	if (argc == 3)
		return standard_child((uint32_t)atoi(argv[2]));
	if (getenv("DOCA_LOG_LEVEL")) { /* was read before main(): once more without it */
		unsetenv("DOCA_LOG_LEVEL");
		execv("/proc/self/exe", argv);
	}
	return cmocka_run_group_tests(tests, create_sinks, NULL);
}
