/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "doca_argp.h"

/* What the callbacks saw. */
struct seen {
	char order[256]; /* "name=value " of each call */
	doca_error_t validation;
	bool destroy_in_callback;
};

static char messages[1024]; /* what the parser would have told the user */
static char json_path[] = "/tmp/test-argp-XXXXXX";

static void note(struct seen *seen, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note(struct seen *seen, const char *fmt, ...)
{
	size_t len = strlen(seen->order);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen->order + len, sizeof(seen->order) - len, fmt, ap);
	va_end(ap);
}

static doca_error_t on_string(void *value, void *config)
{
	struct seen *seen = config;

	note(seen, "s=%s ", (char *)value);
	if (seen->destroy_in_callback)
		doca_argp_destroy();
	return strcmp(value, "fail") ? DOCA_SUCCESS : DOCA_ERROR_FULL;
}

static doca_error_t on_int(void *value, void *config)
{
	note(config, "i=%d ", *(int *)value);
	return DOCA_SUCCESS;
}

static doca_error_t on_bool(void *value, void *config)
{
	note(config, "b=%d ", *(bool *)value);
	return DOCA_SUCCESS;
}

static doca_error_t on_double(void *value, void *config)
{
	note(config, "d=%g ", *(double *)value);
	return DOCA_SUCCESS;
}

static doca_error_t on_cmd(void *config)
{
	note(config, "cmd ");
	return DOCA_SUCCESS;
}

static doca_error_t on_subcmd(void *config)
{
	note(config, "subcmd ");
	return DOCA_SUCCESS;
}

static doca_error_t on_validation(void *config)
{
	struct seen *seen = config;

	note(seen, "valid ");
	return seen->validation;
}

static doca_error_t __attribute__((format(printf, 2, 0)))
on_message(enum doca_log_level level, const char *format, va_list args)
{
	vsnprintf(messages, sizeof(messages), format, args);
	return DOCA_SUCCESS;
}

static struct doca_argp_param *make(const char *short_name, const char *long_name,
				    enum doca_argp_type type)
{
	static const doca_argp_param_cb_t callbacks[] = {
		[DOCA_ARGP_TYPE_STRING] = on_string,
		[DOCA_ARGP_TYPE_INT] = on_int,
		[DOCA_ARGP_TYPE_BOOLEAN] = on_bool,
		[DOCA_ARGP_TYPE_DOUBLE] = on_double,
	};
	struct doca_argp_param *param;

	assert_int_equal(doca_argp_param_create(&param), DOCA_SUCCESS);
	doca_argp_param_set_short_name(param, short_name);
	doca_argp_param_set_long_name(param, long_name);
	doca_argp_param_set_description(param, "a parameter");
	doca_argp_param_set_type(param, type);
	doca_argp_param_set_callback(param, callbacks[type]);
	return param;
}

static void add(const char *short_name, const char *long_name, enum doca_argp_type type)
{
	assert_int_equal(doca_argp_register_param(make(short_name, long_name, type)), DOCA_SUCCESS);
}

/* A parser with one parameter of each type. */
static void begin(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	messages[0] = '\0';
	assert_int_equal(doca_argp_init("prog", seen), DOCA_SUCCESS);
	assert_int_equal(doca_argp_register_logger_callback(on_message), DOCA_SUCCESS);
	add("ns", "nfs-server", DOCA_ARGP_TYPE_STRING);
	add("q", "queues", DOCA_ARGP_TYPE_INT);
	add("f", "flag", DOCA_ARGP_TYPE_BOOLEAN);
	add(NULL, "ratio", DOCA_ARGP_TYPE_DOUBLE);
}

#define START(...) start((const char *[]){"/usr/bin/prog", __VA_ARGS__, NULL})

static doca_error_t start(const char **words)
{
	int argc = 0;

	while (words[argc])
		argc++;
	return doca_argp_start(argc, (char **)words);
}

static void end(void)
{
	assert_int_equal(doca_argp_destroy(), DOCA_SUCCESS);
}

static void write_json(const char *text)
{
	FILE *f = fopen(json_path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_states(void **cookie)
{
	struct doca_argp_param *param;
	char *argv[] = {"prog", NULL};
	int level;

	assert_int_equal(doca_argp_destroy(), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_start(1, argv), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_get_log_level(&level), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_register_validation_callback(on_validation),
			 DOCA_ERROR_BAD_STATE);
	/* Freed by the failing registration: the sanitizer builds would see a leak. */
	param = make("a", NULL, DOCA_ARGP_TYPE_INT);
	assert_int_equal(doca_argp_register_param(param), DOCA_ERROR_BAD_STATE);

	assert_int_equal(doca_argp_init(NULL, NULL), DOCA_SUCCESS);
	assert_int_equal(doca_argp_init(NULL, NULL), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_disable_logger_callback(), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_start(0, argv), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_argp_start(1, argv), DOCA_SUCCESS);
	assert_int_equal(doca_argp_start(1, argv), DOCA_ERROR_BAD_STATE);
	end();
}

static void test_registration(void **cookie)
{
	struct doca_argp_param *param;
	struct seen seen;

	begin(&seen);
	assert_int_equal(doca_argp_register_param(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(doca_argp_register_param(make(NULL, NULL, DOCA_ARGP_TYPE_INT)),
			 DOCA_ERROR_INITIALIZATION);
	assert_int_equal(doca_argp_param_create(&param), DOCA_SUCCESS);
	doca_argp_param_set_long_name(param, "incomplete");
	assert_int_equal(doca_argp_register_param(param), DOCA_ERROR_INITIALIZATION);
	assert_int_equal(doca_argp_register_param(make("h", NULL, DOCA_ARGP_TYPE_INT)),
			 DOCA_ERROR_ALREADY_EXIST);
	assert_int_equal(doca_argp_register_param(make(NULL, "queues", DOCA_ARGP_TYPE_INT)),
			 DOCA_ERROR_ALREADY_EXIST);
	assert_int_equal(doca_argp_register_param(make(NULL, "a=b", DOCA_ARGP_TYPE_INT)),
			 DOCA_ERROR_INVALID_VALUE);
	param = make("x", NULL, DOCA_ARGP_TYPE_INT);
	doca_argp_param_set_type(param, DOCA_ARGP_TYPE_DEVICE);
	assert_int_equal(doca_argp_register_param(param), DOCA_ERROR_NOT_SUPPORTED);

	param = make("y", NULL, DOCA_ARGP_TYPE_INT);
	assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
	assert_int_equal(doca_argp_register_param(param), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_param_destroy(param), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_param_destroy(make("z", NULL, DOCA_ARGP_TYPE_INT)),
			 DOCA_SUCCESS);
	doca_argp_param_set_short_name(NULL, "ignored");
	end();
}

static void test_values(void **cookie)
{
	struct seen seen;

	begin(&seen);
	assert_int_equal(START("-ns", "10.0.0.1", "--queues=-0x10", "-f", "--ratio", "-1.5"),
			 DOCA_SUCCESS);
	assert_string_equal(seen.order, "s=10.0.0.1 i=-16 b=1 d=-1.5 ");
	end();
}

static void test_bad_command_lines(void **cookie)
{
	static const struct {
		const char *words[6];
		doca_error_t result;
		const char *message; /* a part of it */
	} cases[] = {
		{{"prog", "--nope"}, DOCA_ERROR_NOT_SUPPORTED, "--nope"},
		{{"prog", "-n", "x"}, DOCA_ERROR_NOT_SUPPORTED, "-n"},
		{{"prog", "-q"}, DOCA_ERROR_INVALID_VALUE, "needs a value"},
		{{"prog", "-ns", "-f"}, DOCA_ERROR_INVALID_VALUE, "needs a value"},
		{{"prog", "-q", "12x"}, DOCA_ERROR_INVALID_VALUE, "12x"},
		{{"prog", "-q", ""}, DOCA_ERROR_INVALID_VALUE, "integer"},
		{{"prog", "-q", "99999999999"}, DOCA_ERROR_INVALID_VALUE, "range"},
		{{"prog", "--ratio", "nan"}, DOCA_ERROR_INVALID_VALUE, "finite"},
		{{"prog", "--flag=1"}, DOCA_ERROR_INVALID_VALUE, "no value"},
		{{"prog", "-q", "1", "-q", "2"}, DOCA_ERROR_INVALID_VALUE, "more than once"},
		{{"prog", "stray"}, DOCA_ERROR_INVALID_VALUE, "stray"},
		{{"prog", "-l", "55"}, DOCA_ERROR_INVALID_VALUE, "55"},
		{{"prog", "--sdk-log-level", "0"}, DOCA_ERROR_INVALID_VALUE, "0"},
		{{"prog", "-j", "/no/such/file"}, DOCA_ERROR_IO_FAILED, "/no/such/file"},
		{{"prog", "--"}, DOCA_ERROR_NOT_SUPPORTED, "--"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen;

		begin(&seen);
		assert_int_equal(start((const char **)cases[i].words), cases[i].result);
		assert_non_null(strstr(messages, cases[i].message));
		assert_string_equal(seen.order, "");
		end();
	}
}

static void test_mandatory_and_singular(void **cookie)
{
	struct doca_argp_param *param;
	struct seen seen;

	for (int round = 0; round < 4; round++) {
		begin(&seen);
		param = make("m", "must", DOCA_ARGP_TYPE_INT);
		doca_argp_param_set_mandatory(param);
		assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
		param = make(NULL, "list", DOCA_ARGP_TYPE_BOOLEAN);
		doca_argp_param_set_singular(param);
		assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
		if (round == 0)
			assert_int_equal(START("-f"), DOCA_ERROR_INVALID_VALUE);
		else if (round == 1)
			assert_int_equal(START("--must", "1"), DOCA_SUCCESS);
		else if (round == 2) /* alone, nothing else is mandatory */
			assert_int_equal(START("--list"), DOCA_SUCCESS);
		else
			assert_int_equal(START("--list", "-m", "1"), DOCA_ERROR_INVALID_VALUE);
		end();
	}
}

static void test_multiplicity_and_failing_callback(void **cookie)
{
	struct doca_argp_param *param;
	struct seen seen;

	begin(&seen);
	param = make("p", "path", DOCA_ARGP_TYPE_STRING);
	doca_argp_param_set_multiplicity(param);
	assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
	assert_int_equal(doca_argp_register_validation_callback(on_validation), DOCA_SUCCESS);
	assert_int_equal(START("-p", "a", "-p", "fail", "-p", "c"), DOCA_ERROR_FULL);
	assert_string_equal(seen.order, "s=a s=fail ");
	end();
}

static void test_validation(void **cookie)
{
	struct seen seen;

	begin(&seen);
	assert_int_equal(doca_argp_register_validation_callback(on_validation), DOCA_SUCCESS);
	seen.validation = DOCA_ERROR_BAD_CONFIG;
	assert_int_equal(START("-q", "3"), DOCA_ERROR_BAD_CONFIG);
	assert_string_equal(seen.order, "i=3 valid ");
	end();
}

static void test_destroy_in_callback(void **cookie)
{
	struct seen seen;

	begin(&seen);
	seen.destroy_in_callback = true;
	assert_int_equal(START("-ns", "x", "-q", "3"), DOCA_SUCCESS);
	assert_string_equal(seen.order, "s=x ");
	assert_int_equal(doca_argp_destroy(), DOCA_ERROR_BAD_STATE);
}

static void test_log_levels(void **cookie)
{
	uint32_t before = doca_log_level_get_global_lower_limit();
	struct seen seen;
	int level;

	begin(&seen);
	assert_int_equal(doca_argp_get_log_level(&level), DOCA_SUCCESS);
	assert_int_equal(level, before);
	assert_int_equal(START("-l", "60", "--sdk-log-level", "30"), DOCA_SUCCESS);
	assert_int_equal(doca_argp_get_log_level(&level), DOCA_SUCCESS);
	assert_int_equal(level, 60);
	assert_int_equal(doca_log_level_get_global_lower_limit(), 60);
	assert_int_equal(doca_argp_get_sdk_log_level(&level), DOCA_SUCCESS);
	assert_int_equal(level, 30);
	assert_int_equal(doca_log_level_get_global_sdk_limit(), 30);
	end();
	doca_log_level_set_global_lower_limit(before);
}

static void test_json(void **cookie)
{
	struct doca_argp_param *param;
	struct seen seen;

	write_json("{\n"
		   "  // a comment with \"quotes\"\n"
		   "  \"doca_general_flags\": {\"log-level\": 40, },\n"
		   "  \"doca_program_flags\": {\n"
		   "    \"nfs-server\": \"http://not-a-comment\", // one at the end\n"
		   "    \"queues\": 7, /* and another */\n"
		   "    \"flag\": false,\n"
		   "    \"ratio\": 2,\n"
		   "    \"path\": [\"a\", \"b\",],\n"
		   "  },\n"
		   "  \"devices\": [{\"name\": \"not ours\"}],\n"
		   "}\n");
	begin(&seen);
	param = make("p", "path", DOCA_ARGP_TYPE_STRING);
	doca_argp_param_set_multiplicity(param);
	assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
	assert_int_equal(START("-q", "9", "-j", json_path), DOCA_SUCCESS);
	assert_string_equal(seen.order, "i=9 s=http://not-a-comment b=0 d=2 s=a s=b ");
	assert_int_equal(doca_log_level_get_global_lower_limit(), 40);
	end();
}

#define PROGRAM(flags) "{\"doca_program_flags\": {" flags "}}"

static void test_bad_json(void **cookie)
{
	static const struct {
		const char *text;
		doca_error_t result;
		const char *message;
	} cases[] = {
		{"", DOCA_ERROR_IO_FAILED, ""},
		{"{\n\n\"a\": }", DOCA_ERROR_IO_FAILED, ":3:"},
		{"[1]", DOCA_ERROR_IO_FAILED, "object"},
		{"{} x", DOCA_ERROR_IO_FAILED, "follows"},
		{"{\"doca_program_flags\": 3}", DOCA_ERROR_INVALID_VALUE, "doca_program_flags"},
		{PROGRAM("\"nope\": 3"), DOCA_ERROR_NOT_SUPPORTED, "nope"},
		{PROGRAM("\"help\": true"), DOCA_ERROR_NOT_SUPPORTED, "help"},
		{"{\"doca_general_flags\": {\"queues\": 3}}", DOCA_ERROR_NOT_SUPPORTED, "queues"},
		{PROGRAM("\"queues\": \"3\""), DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"queues\": 3.5"), DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"queues\": 1e30"), DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"queues\": 99999999999999999999"),
		 DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"queues\": [1, 2]"), DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"queues\": null"), DOCA_ERROR_INVALID_VALUE, "queues"},
		{PROGRAM("\"nfs-server\": 3"), DOCA_ERROR_INVALID_VALUE, "server"},
		{PROGRAM("\"flag\": \"yes\""), DOCA_ERROR_INVALID_VALUE, "flag"},
		{PROGRAM("\"cli\": 1"), DOCA_ERROR_INVALID_VALUE, "command line"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct doca_argp_param *param;
		struct seen seen;

		write_json(cases[i].text);
		begin(&seen);
		param = make(NULL, "cli", DOCA_ARGP_TYPE_INT);
		doca_argp_param_set_cli_only(param);
		assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
		assert_int_equal(START("-j", json_path), cases[i].result);
		assert_non_null(strstr(messages, cases[i].message));
		assert_string_equal(seen.order, "");
		end();
	}
}

/* Deeper than any flag needs: must be refused, not followed to the end of the stack. */
static void test_deep_json(void **cookie)
{
	static char text[200001];
	struct seen seen;

	memset(text, '[', sizeof(text) - 1);
	write_json(text);
	begin(&seen);
	assert_int_equal(START("-j", json_path), DOCA_ERROR_IO_FAILED);
	end();
	begin(&seen);
	assert_int_equal(START("-j", "/dev/zero"), DOCA_ERROR_IO_FAILED);
	end();
}

static void add_commands(void)
{
	struct doca_argp_param *param = make("g", "global", DOCA_ARGP_TYPE_INT);
	struct doca_argp_cmd *cmd, *sub, *twin;

	doca_argp_param_set_inherited(param);
	assert_int_equal(doca_argp_register_param(param), DOCA_SUCCESS);
	assert_int_equal(doca_argp_cmd_create(&cmd), DOCA_SUCCESS);
	doca_argp_cmd_set_name(cmd, "device");
	doca_argp_cmd_set_description(cmd, "Look at devices");
	doca_argp_cmd_set_callback(cmd, on_cmd);
	assert_int_equal(doca_argp_register_cmd(cmd), DOCA_SUCCESS);
	assert_int_equal(doca_argp_register_cmd(cmd), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_cmd_destroy(cmd), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_argp_cmd_register_param(cmd, make("a", NULL, DOCA_ARGP_TYPE_BOOLEAN)),
			 DOCA_SUCCESS);
	assert_int_equal(doca_argp_cmd_create(&sub), DOCA_SUCCESS);
	doca_argp_cmd_set_name(sub, "list");
	doca_argp_cmd_set_description(sub, "List them");
	doca_argp_cmd_set_callback(sub, on_subcmd);
	assert_int_equal(doca_argp_cmd_register_cmd(cmd, sub), DOCA_SUCCESS);
	assert_int_equal(doca_argp_cmd_create(&twin), DOCA_SUCCESS);
	doca_argp_cmd_set_name(twin, "device");
	assert_int_equal(doca_argp_register_cmd(twin), DOCA_ERROR_INITIALIZATION);
}

static void test_commands(void **cookie)
{
	struct seen seen;

	begin(&seen);
	add_commands();
	assert_int_equal(START("-q", "1", "device", "-a", "list", "-g", "2"), DOCA_SUCCESS);
	assert_string_equal(seen.order, "i=1 b=1 i=2 cmd subcmd ");
	end();
	begin(&seen);
	add_commands();
	assert_int_equal(START("device", "-q", "1"), DOCA_ERROR_NOT_SUPPORTED);
	end();
	begin(&seen);
	add_commands();
	assert_int_equal(START("nothing"), DOCA_ERROR_NOT_SUPPORTED);
	assert_string_equal(seen.order, "");
	end();
}

static char dpdk_words[128];

static doca_error_t on_dpdk(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		strcat(dpdk_words, argv[i]);
		strcat(dpdk_words, " ");
	}
	return argv[argc] ? DOCA_ERROR_UNEXPECTED : DOCA_SUCCESS;
}

static void test_dpdk(void **cookie)
{
	struct seen seen;

	begin(&seen);
	doca_argp_set_dpdk_program(on_dpdk);
	assert_int_equal(START("-q", "1", "--", "-a", "pci"), DOCA_SUCCESS);
	assert_string_equal(seen.order, "i=1 ");
	assert_string_equal(dpdk_words, "/usr/bin/prog -a pci ");
	end();
}

/* Runs the parser in a child with its output in buf; returns the exit status. */
static int run_child(const char *flag, char *buf, size_t size)
{
	int pipefd[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	if (!pid) {
		struct doca_argp_param *param;
		struct seen seen;

		dup2(pipefd[1], STDOUT_FILENO);
		begin(&seen);
		param = make(NULL, "secret", DOCA_ARGP_TYPE_INT);
		doca_argp_param_set_hidden(param);
		doca_argp_register_param(param);
		param = make("e", "nfs-export-with-a-rather-long-name", DOCA_ARGP_TYPE_STRING);
		doca_argp_param_set_arguments(param, "<path>");
		doca_argp_param_set_mandatory(param);
		doca_argp_register_param(param);
		add_commands();
		START(flag);
		_exit(99);
	}
	close(pipefd[1]);
	while ((n = read(pipefd[0], buf + len, size - len - 1)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_help(void **cookie)
{
	char text[4096], *line;

	assert_int_equal(run_child("--help", text, sizeof(text)), 0);
	assert_non_null(strstr(text, "Usage: prog "));
	assert_non_null(strstr(text, "-ns, --nfs-server <string>"));
	assert_non_null(strstr(text, "--nfs-export-with-a-rather-long-name <path>"));
	assert_non_null(strstr(text, "(mandatory)"));
	assert_non_null(strstr(text, "--log-level <level>"));
	assert_non_null(strstr(text, "Look at devices"));
	assert_null(strstr(text, "secret"));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

static void test_version(void **cookie)
{
	char text[1024];

	assert_int_equal(run_child("-v", text, sizeof(text)), 0);
	assert_non_null(strstr(text, "prog"));
}

static int make_json_file(void **cookie)
{
	int fd = mkstemp(json_path);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int remove_json_file(void **cookie)
{
	return unlink(json_path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_registration),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_command_lines),
		cmocka_unit_test(test_mandatory_and_singular),
		cmocka_unit_test(test_multiplicity_and_failing_callback),
		cmocka_unit_test(test_validation),
		cmocka_unit_test(test_destroy_in_callback),
		cmocka_unit_test(test_log_levels),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_bad_json),
		cmocka_unit_test(test_deep_json),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_dpdk),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, make_json_file, remove_json_file);
}
