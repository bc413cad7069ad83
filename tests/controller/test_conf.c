/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: core masks, options and their conflicts, the devices file. What is refused
 * leaves nothing allocated (the sanitizer build looks). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "conf.h"

#define MAX_ARGS 16

/* Loads the given options, NULL at the end; the caller frees. */
static int load(struct conf *conf, const char *first, ...)
{
	char *argv[MAX_ARGS + 2] = { (char *)"doca_virtiofs", (char *)first };
	int argc = first ? 2 : 1;
	va_list ap;

	va_start(ap, first);
	while (first && argc < MAX_ARGS && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	memset(conf, 0, sizeof(*conf));
	return conf_load(conf, argc, argv);
}

static void refused(const char *option, const char *value)
{
	struct conf conf;

	assert_int_not_equal(load(&conf, option, value, NULL), 0);
	conf_fini(&conf);
}

/* ---- core mask ---- */

static void masks_parse(void **state)
{
	static const struct {
		const char *text;
		int n;
		int cpu[4];
	} good[] = {
		{ "1", 1, { 0 } },
		{ "0x1", 1, { 0 } },
		{ "0X3", 2, { 0, 1 } },
		{ "f0", 4, { 4, 5, 6, 7 } },
		{ "0x80000000", 1, { 31 } },
		{ "0x100000000", 1, { 32 } },
		{ "0x8000000000000000000000000000000A", 3, { 1, 3, 127 } },
		{ "0000000000000000000000000000000000000000000000000000000001", 1, { 0 } },
	};
	int cpu[4];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(conf_parse_core_mask(good[i].text, cpu, 4), good[i].n);
		assert_memory_equal(cpu, good[i].cpu, sizeof(int) * (size_t)good[i].n);
	}
}

static void bad_masks_are_refused(void **state)
{
	static const char *const bad[] = { "", "0", "0x", "0x0", "zz", "0x1g", "-1", " 1", "1 ",
					   "0x0x1", "+1" };
	int cpu[4];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(conf_parse_core_mask(bad[i], cpu, 4), -EINVAL);
	assert_int_equal(conf_parse_core_mask("1f", cpu, 4), -E2BIG);
	refused("-m", "zz");
	/* No machine has that many. */
	refused("-m", "0x1000000000000000000000000000000000000000000000000000000000");
}

/* ---- options ---- */

static void defaults_are_the_documented_ones(void **state)
{
	struct conf conf;

	assert_int_equal(load(&conf, NULL), 0);
	assert_int_equal(conf.nr_cpus, 1);
	assert_int_equal(conf.cpu[0], CONF_ANY_CPU);
	assert_int_equal(conf.nr_devices, 1);
	assert_string_equal(conf.device[0].tag, "docavirtiofs");
	assert_int_equal(conf.device[0].num_request_queues, 32);
	assert_int_equal(conf.device[0].queue_size, 256);
	assert_null(conf.device[0].socket);
	assert_string_equal(conf.device[0].fs.type, "nfs");
	assert_string_equal(conf.device[0].fs.server, "localhost");
	assert_string_equal(conf.device[0].fs.export_path, "/VIRTUAL");
	assert_false(conf.dma);
	assert_null(conf.run);
	conf_fini(&conf);
}

static void options_arrive(void **state)
{
	struct conf conf;

	assert_int_equal(load(&conf, "--local", "/d", "--tag", "t", "-q", "254", "--queue-size",
			      "1024", "--socket-path", "/s", "--readonly", "--cache", "none",
			      NULL), 0);
	assert_string_equal(conf.device[0].fs.type, "local");
	assert_string_equal(conf.device[0].fs.dir, "/d");
	assert_string_equal(conf.device[0].tag, "t");
	assert_int_equal(conf.device[0].num_request_queues, 254);
	assert_int_equal(conf.device[0].queue_size, 1024);
	assert_string_equal(conf.device[0].socket, "/s");
	assert_true(conf.device[0].fs.readonly);
	assert_int_equal(conf.device[0].fs.cache, FS_CACHE_NONE);
	conf_fini(&conf);
}

/* Zero is a value as good as any other, and out of range: not "use the default". */
/* Options of the local file system: where it is, and only there; repeated ones add up. */
static void local_options(void **state)
{
	static const char *const flags[] = { "--no-posix-lock", "--no-flock", "--posix-acl",
					     "--security-label", "--no-killpriv-v2", "--writeback",
					     "--allow-direct-io", "--no-mapped-io",
					     "--no-submounts", "--no-readdirplus",
					     "--no-file-handles" };
	struct conf conf;

	assert_int_equal(load(&conf, "--local", "/d", "--translate-uid", "map:0:1:2",
			      "--translate-uid", "host:9:8:1", "--xattrmap", ":map::u.:",
			      "--posix-acl", NULL), 0);
	assert_string_equal(conf.device[0].fs.translate_uid, "map:0:1:2,host:9:8:1");
	assert_null(conf.device[0].fs.translate_gid);
	assert_string_equal(conf.device[0].fs.xattrmap, ":map::u.:");
	assert_true(conf.device[0].fs.posix_acl);
	assert_false(conf.device[0].fs.writeback);
	assert_int_equal(conf.device[0].fs.queue_size, 256);
	conf_fini(&conf);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		assert_int_equal(load(&conf, "--local", "/d", flags[i], NULL), 0);
		conf_fini(&conf);
		refused(flags[i], NULL);
	}
	refused("--xattrmap", "x");
	/* Ids are others with NFS, too; mount options are for nothing else. */
	assert_int_equal(load(&conf, "-s", "h", "--translate-gid", "map:0:1:2", NULL), 0);
	assert_string_equal(conf.device[0].fs.translate_gid, "map:0:1:2");
	conf_fini(&conf);
	assert_int_equal(load(&conf, "--null", "--translate-gid", "map:0:1:2", NULL), -EINVAL);
	assert_int_equal(load(&conf, "--null", "-o", "soft", NULL), -EINVAL);
	assert_int_equal(load(&conf, "--local", "/d", "-o", "soft", NULL), -EINVAL);
	refused("--transport", "tcp");
}

static void values_out_of_range_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "-q", "0" },		   { "-q", "-1" },	      { "-q", "255" },
		{ "-q", "65537" },	   { "--queue-size", "0" },   { "--queue-size", "-256" },
		{ "--queue-size", "48" },  { "--queue-size", "2048" }, { "--queue-size", "65792" },
		{ "--tag", "" },	   { "--tag", "123456789012345678901" },
		{ "--cache", "some" },	   { "--data-path", "pcie" },
	};
	char path[200];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(bad[i][0], bad[i][1]);
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	refused("--socket-path", path);
}

static void conflicts_are_refused(void **state)
{
	struct conf conf;

	assert_int_not_equal(load(&conf, "--local", "/d", "--null", NULL), 0);
	conf_fini(&conf);
	assert_int_not_equal(load(&conf, "--local", "/d", "-s", "host", NULL), 0);
	conf_fini(&conf);
	assert_int_not_equal(load(&conf, "--null", "-e", "/export", NULL), 0);
	conf_fini(&conf);
	assert_int_not_equal(load(&conf, "--config", "/f", "--socket-path", "/s", NULL), 0);
	conf_fini(&conf);
}

static void null_nfs_environment(void **state)
{
	struct conf conf;

	setenv("DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV", "1", 1);
	assert_int_equal(load(&conf, NULL), 0);
	assert_string_equal(conf.device[0].fs.type, "null"); /* needs no server */
	conf_fini(&conf);
	assert_int_equal(load(&conf, "-s", "host", NULL), 0);
	assert_string_equal(conf.device[0].fs.type, "nfs");
	assert_true(conf.device[0].fs.null_io);
	conf_fini(&conf);
	assert_int_equal(load(&conf, "--local", "/d", NULL), 0);
	assert_false(conf.device[0].fs.null_io);
	conf_fini(&conf);
	setenv("DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV", "yes", 1);
	assert_int_equal(load(&conf, NULL), 0);
	assert_string_equal(conf.device[0].fs.type, "nfs");
	conf_fini(&conf);
	unsetenv("DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV");
}

/* ---- the devices file ---- */

static int load_file(struct conf *conf, const char *text, const char *option, const char *value)
{
	char path[] = "/tmp/test_conf.XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = load(conf, "--config", path, option, value, NULL);
	unlink(path);
	return rc;
}

static void devices_file_with_everything(void **state)
{
	static const char text[] =
		"// comment\n"
		"{ \"devices\": [\n"
		"  { \"tag\": \"a\", \"socket\": \"/a\", \"num_request_queues\": 4, \"queue_size\": 64,\n"
		"    \"readonly\": true, \"cache\": \"always\", \"wrap\": [\"log\", \"delay=2ms\"],\n"
		"    \"filesystem\": { \"type\": \"local\", \"dir\": \"/srv\" } }, /* and */\n"
		"  { \"socket\": \"/b\", \"transport\": \"vhost-user\",\n"
		"    \"filesystem\": { \"type\": \"nfs\", \"server\": \"h\", \"export\": \"/e\",\n"
		"                      \"options\": \"nfsport=1\" }, },\n"
		"] }\n";
	struct conf conf;

	assert_int_equal(load_file(&conf, text, "--queue-size", "512"), 0);
	assert_int_equal(conf.nr_devices, 2);
	assert_string_equal(conf.device[0].tag, "a");
	assert_string_equal(conf.device[0].fs.wrap, "log,delay=2ms");
	assert_int_equal(conf.device[0].num_request_queues, 4);
	assert_int_equal(conf.device[0].queue_size, 64);
	assert_true(conf.device[0].fs.readonly);
	assert_int_equal(conf.device[0].fs.cache, FS_CACHE_ALWAYS);
	assert_string_equal(conf.device[0].fs.dir, "/srv");
	/* what it leaves out comes from the command line */
	assert_string_equal(conf.device[1].tag, "docavirtiofs");
	assert_int_equal(conf.device[1].queue_size, 512);
	assert_false(conf.device[1].fs.readonly);
	assert_null(conf.device[1].fs.wrap);
	assert_string_equal(conf.device[1].fs.server, "h");
	assert_string_equal(conf.device[1].fs.options, "nfsport=1");
	conf_fini(&conf);
}

#define DEVICE(body) "{\"devices\":[{\"socket\":\"/a\"," body "}]}"

static void bad_devices_files_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"{}",
		"{\"devices\": 1}",
		"{\"devices\": null}",
		"{\"devices\": []}",
		"{\"devices\": [1]}",
		"{\"devices\": [null]}",
		"{\"devices\": [{}]}", /* no socket */
		"{\"devices\": [{\"tag\": \"t\"}]}",
		"{\"devices\": [{\"socket\": \"/a\"}], \"device\": []}",
		"{\"devices\": [{\"socket\": \"/a\"}, {\"socket\": \"/a\"}]}",
		DEVICE("\"colour\": 1"),
		DEVICE("\"tag\": 7"),
		DEVICE("\"tag\": null"),
		DEVICE("\"queue_size\": \"256\""),
		DEVICE("\"queue_size\": 0"),
		DEVICE("\"queue_size\": 4294967552"), /* 256 in 32 bits */
		DEVICE("\"num_request_queues\": -1"),
		DEVICE("\"num_request_queues\": 1.5"),
		DEVICE("\"readonly\": 1"),
		DEVICE("\"cache\": \"maybe\""),
		DEVICE("\"wrap\": \"log\""),
		DEVICE("\"wrap\": [1]"),
		DEVICE("\"filesystem\": \"null\""),
		DEVICE("\"filesystem\": {}"),
		DEVICE("\"filesystem\": {\"type\": \"ext4\"}"),
		DEVICE("\"filesystem\": {\"type\": \"null\", \"dir\": \"/d\"}"),
		DEVICE("\"filesystem\": {\"type\": \"local\", \"server\": \"h\"}"),
		DEVICE("\"filesystem\": {\"dir\": \"/d\"}"),
		DEVICE("\"filesystem\": {\"type\": \"null\", \"posix_acl\": true}"),
		DEVICE("\"filesystem\": {\"type\": \"local\", \"posix_acl\": \"yes\"}"),
		DEVICE("\"filesystem\": {\"type\": \"local\", \"xattrmap\": 1}"),
		DEVICE("\"filesystem\": {\"type\": \"null\", \"size\": 1}"),
	};
	struct conf conf;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!load_file(&conf, bad[i], NULL, NULL))
			fail_msg("accepted: %s", bad[i]);
		conf_fini(&conf);
	}
	refused("--config", "/does/not/exist");
}

static void too_many_devices_are_refused(void **state)
{
	char text[(CONF_MAX_DEVICES + 1) * 32 + 32] = "{\"devices\":[";
	struct conf conf;

	for (int i = 0; i <= CONF_MAX_DEVICES; i++)
		sprintf(text + strlen(text), "{\"socket\":\"/%d\"},", i);
	strcat(text, "]}");
	assert_int_not_equal(load_file(&conf, text, NULL, NULL), 0);
	conf_fini(&conf);
}

/* In captive mode a missing socket is given one in a temporary directory. */
static void captive_devices_need_no_socket(void **state)
{
	struct conf conf;

	assert_int_equal(load_file(&conf, "{\"devices\":[{\"tag\":\"t\"}]}", "--run", "true"), 0);
	assert_null(conf.device[0].socket);
	assert_string_equal(conf.run, "true");
	conf_fini(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_parse),
		cmocka_unit_test(bad_masks_are_refused),
		cmocka_unit_test(defaults_are_the_documented_ones),
		cmocka_unit_test(options_arrive),
		cmocka_unit_test(local_options),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(conflicts_are_refused),
		cmocka_unit_test(null_nfs_environment),
		cmocka_unit_test(devices_file_with_everything),
		cmocka_unit_test(bad_devices_files_are_refused),
		cmocka_unit_test(too_many_devices_are_refused),
		cmocka_unit_test(captive_devices_need_no_socket),
	};

	unsetenv("DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
