/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For nfs_rpcbind.sh: mounts with nothing but a server and a path, so that every port is asked for,
 * takes locks as two owners and reads an ACL. Prints what is wrong; the status says whether
 * anything is.
 *
 * usage: nfs_probe SERVER EXPORT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "fs/fs.h"
#include "fs/nfs/client.h"

#define LIMIT_NS 60000000000ull /* of a call; a grace period may be in it */

static struct nfs_client *client;
static struct nfs_fh file;
static struct nfs_result result;
static bool over;
static int error, failed;

/* The client's thread never sleeps for long here. */
int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	return 0;
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	return 0;
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
}

static void on_done(struct nfs_call *call, int err, const struct nfs_result *res)
{
	over = true;
	error = err;
	result = *res;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	printf("not ok - %s: error %d (%s), status %d\n", what, error, strerror(-error), result.nlm_stat);
	failed = 1;
}

/* Runs the call and expects this error of it. */
static void expect(const char *what, struct nfs_call *call, int err)
{
	static const struct nfs_cred cred;
	uint64_t until = clock_ns() + LIMIT_NS;

	call->cred = &cred;
	call->done = on_done;
	over = false;
	nfs_client_call(client, call);
	while (!over) {
		if (clock_ns() > until) {
			printf("not ok - %s: no answer\n", what);
			exit(1);
		}
		if (!nfs_client_poll(client))
			usleep(1000);
	}
	check(error == err, what);
}

static void lock(const char *what, enum nfs_proc proc, const struct nfs_lock *l, int err)
{
	struct nfs_call call = { .proc = proc, .fh = &file, .lock = l };

	expect(what, &call, err);
}

static void locks(void)
{
	const struct nfs_lock first = { .exclusive = true, .svid = 7, .len = 10, .oh_len = 3, .oh = "one",
					.state = 1 };
	struct nfs_lock second = { .exclusive = true, .svid = 8, .offset = 5, .oh_len = 3, .oh = "two",
				   .state = 1 };

	lock("a free range", NLM_TEST, &first, 0);
	check(!result.locked, "it is free");
	lock("a lock", NLM_LOCK, &first, 0);
	lock("a held range", NLM_TEST, &second, 0);
	check(result.locked && result.holder.svid == 7 && result.holder.len == 10, "who holds it");
	lock("a lock in its way", NLM_LOCK, &second, -EAGAIN);
	second.block = true;
	lock("a lock that waits", NLM_LOCK, &second, -EINPROGRESS);
	lock("waiting no more", NLM_CANCEL, &second, 0);
	second.block = false;
	lock("giving it back", NLM_UNLOCK, &first, 0);
	lock("the other's turn", NLM_LOCK, &second, 0);
	lock("giving it back, too", NLM_UNLOCK, &second, 0);
}

int main(int argc, char **argv)
{
	struct nfs_mount_opts opts = { .timeo_ms = 60000, .retrans = 2 };
	static struct nfs_mount mnt;
	struct nfs_call create = { .proc = NFS_CREATE, .fh = &mnt.root, .name = "locked",
				   .sattr = { .set = NFS_SET_MODE, .mode = 0640 } };
	struct nfs_call acl = { .proc = NFSACL_GETACL, .fh = &file, .acl_mask = NFS_ACL_ACCESS };
	char err[256];

	if (argc != 3)
		return 2;
	opts.server = argv[1];
	opts.export_path = argv[2];
	if (nfsc_mount(&opts, &mnt, err, sizeof(err))) {
		printf("not ok - mount: %s\n", err);
		return 1;
	}
	if (nfs_client_create(&mnt, NULL, &client))
		return 1;
	expect("a file", &create, 0);
	file = result.fh;
	check(result.has_fh, "its handle");
	locks();
	check(nfs_client_epoch(client, true) == 1, "one connection to the lock manager");
	expect("its ACL", &acl, 0);
	nfs_client_destroy(client);
	nfsc_umount(&mnt);
	return failed;
}
