/* SPDX-License-Identifier: BSD-3-Clause */
/* Mount options and URLs of the NFS back end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/util.h"
#include "fs/fs.h"
#include "fs/nfs/nfs_opts.h"

static struct nfs_opts o;
static char err[FS_ERR_LEN];

static void good(const char *text)
{
	if (nfs_parse_options(text, &o, err))
		fail_msg("%s: %s", text ? text : "(none)", err);
}

static void test_defaults(void **state)
{
	good(NULL);
	assert_int_equal(o.mnt.timeo_ms, 60000);
	assert_int_equal(o.mnt.retrans, 2);
	assert_int_equal(o.mnt.soft, NFS_HARD);
	assert_int_equal(o.acregmin, 3);
	assert_int_equal(o.acregmax, 60);
	assert_int_equal(o.acdirmin, 30);
	assert_int_equal(o.acdirmax, 60);
	assert_int_equal(o.lookupcache, NFS_LOOKUPCACHE_POS);
	assert_int_equal(o.lock, NFS_LOCK_LOCAL);
	assert_int_equal(o.keep_mib, 32);
}

static void test_values(void **state)
{
	good("rsize=4096,wsize=65536,timeo=7,retrans=5,softerr,nconnect=16,port=2049,mountport=20048,"
	     "nlmport=4001,callbackport=4002,proto=tcp6,sec=sys,vers=3,noresvport,nocto,lookupcache=all,lock=remote,sync,"
	     "acregmin=1,acregmax=2,acdirmin=3,acdirmax=4,retain=0,nordirplus,acl,noacl,intr");
	assert_int_equal(o.mnt.rsize, 4096);
	assert_int_equal(o.mnt.wsize, 65536);
	assert_int_equal(o.mnt.timeo_ms, 700);
	assert_int_equal(o.mnt.retrans, 5);
	assert_int_equal(o.mnt.soft, NFS_SOFTERR);
	assert_int_equal(o.mnt.nconnect, 16);
	assert_int_equal(o.mnt.nfs_port, 2049);
	assert_int_equal(o.mnt.mount_port, 20048);
	assert_int_equal(o.mnt.nlm_port, 4001);
	assert_int_equal(o.mnt.callback_port, 4002);
	assert_int_equal(o.mnt.family, AF_INET6);
	assert_true(o.mnt.noresvport && o.mnt.sync && o.nocto && o.nordirplus && o.noacl && !o.acl);
	assert_int_equal(o.lookupcache, NFS_LOOKUPCACHE_ALL);
	assert_int_equal(o.lock, NFS_LOCK_REMOTE);
	assert_int_equal(o.acregmin * 1000 + o.acregmax * 100 + o.acdirmin * 10 + o.acdirmax, 1234);
	assert_int_equal(o.keep_mib, 0);
	good("port=2049,port=0,mountport=0");
	assert_int_equal(o.mnt.nfs_port + o.mnt.mount_port, 0);
	good("actimeo=5");
	assert_int_equal(o.acregmin + o.acregmax + o.acdirmin + o.acdirmax, 20);
	good("noac");
	assert_int_equal(o.acregmax + o.acdirmax, 0);
	assert_true(o.mnt.sync);
	assert_int_equal(o.lookupcache, NFS_LOOKUPCACHE_NONE);
	good("sync,async,soft,hard,,nolock"); /* the last one counts */
	assert_false(o.mnt.sync);
	assert_int_equal(o.mnt.soft, NFS_HARD);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "rsize", "rsize=: use a number from 1024 to 1048576" },
		{ "rsize=1", "rsize=1: use a number from 1024 to 1048576" },
		{ "timeo= 1", "from 1 to 6000" },
		{ "timeo=1x", "timeo=1x" },
		{ "nconnect=17", "from 1 to 16" },
		{ "vers=4", "from 3 to 3" },
		{ "sync=1", "sync takes no value" },
		{ "sec=krb5", "use sys" },
		{ "proto=udp", "proto=udp: use tcp, tcp6" },
		{ "lookupcache=some", "use all, positive, pos, none" },
		{ "lock=sometimes", "use local, remote, none" },
		{ "nosuch", "'nosuch' is not known" },
		{ "nosuch=5", "'nosuch' is not known" },
		{ "=", "not known" },
		{ "acregmin=61", "acregmin=61 is more than acregmax=60" },
		{ "acdirmax=1", "acdirmin=30 is more than acdirmax=1" },
		{ "-1", "not known" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		assert_int_equal(nfs_parse_options(bad[i].text, &o, err), -EINVAL);
		if (!strstr(err, bad[i].says))
			fail_msg("%s: '%s' does not say '%s'", bad[i].text, err, bad[i].says);
	}
}

static void expect_place(const char *server, const char *path, const char *text, const char *want_server,
			 const char *want_path, const char *want_options)
{
	struct nfs_place p;

	assert_int_equal(nfs_parse_place(server, path, text, &p, err), 0);
	assert_string_equal(p.server, want_server);
	assert_string_equal(p.export_path, want_path);
	assert_string_equal(p.options, want_options);
	free(p.server);
	free(p.export_path);
	free(p.options);
}

static void test_places(void **state)
{
	static const char *const bad[] = { "nfs://", "nfs:///path", "nfs://h/a%2", "nfs://h/a%zz", "nfs://h%2/a",
					   "nfs://h/%00", "nfs://h/%+1" };
	struct nfs_place p;

	expect_place("host", "/e", "soft", "host", "/e", "soft");
	expect_place("::1", "/e", NULL, "::1", "/e", "");
	expect_place("host:/data/x", "/e", NULL, "host", "/data/x", "");
	expect_place("[fe80::1]:/data", "/e", NULL, "fe80::1", "/data", "");
	expect_place("nfs://host/data%20x", "/e", NULL, "host", "/data x", "");
	expect_place("nfs://host", "/e", "soft", "host", "/e", "soft");
	expect_place("nfs://host:2050/d", NULL, "soft", "host", "/d", "nfsport=2050,soft");
	expect_place("nfs://[::1]:2050/d?rsize=4096&sync", "/e", "soft", "::1", "/d",
		     "nfsport=2050,rsize=4096,sync,soft");
	expect_place("nfs://[fe80::1%25eth0]:2050/d", NULL, NULL, "fe80::1%eth0", "/d", "nfsport=2050");
	expect_place("nfs://[::1]/d?hard", "/e", NULL, "::1", "/d", "hard");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(nfs_parse_place(bad[i], "/e", NULL, &p, err), -EINVAL);
		assert_non_null(strstr(err, bad[i]));
		free(p.server);
		free(p.export_path);
		free(p.options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
