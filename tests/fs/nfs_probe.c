/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For nfs_rpcbind.sh: mounts with nothing but a server and a path, so that every port is asked for,
 * takes locks as two owners and reads an ACL. Prints what is wrong; the status says whether
 * anything is.
 *
 * usage: nfs_probe SERVER EXPORT [linux]     linux: the kernel's server, which keeps ACLs
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
static struct nfs_cred cred;
static struct nfs_ace aces[5]; /* the first ones of an ACL that came */
static bool over, is_linux;
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
	if (call->proc == NFSACL_GETACL && !err)
		memcpy(aces, res->acl.access, min(res->acl.nr_access, 5u) * sizeof(aces[0]));
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
	struct nfs_lock first = { .exclusive = true, .svid = 7, .len = 10, .oh_len = 3, .oh = "one",
					.state = 1 };
	struct nfs_lock second = { .exclusive = true, .svid = 8, .offset = 5, .oh_len = 3, .oh = "two",
				   .state = 1 };

	lock("a free range", NLM_TEST, &first, 0);
	check(!result.locked, "it is free");
	lock("a lock", NLM_LOCK, &first, 0);
	lock("a held range", NLM_TEST, &second, 0);
	/* nfs-ganesha names its holder, Linux itself. */
	if (result.locked && result.holder.svid != 7)
		printf("# held by %u\n", result.holder.svid);
	check(result.locked && result.holder.len == 10, "where it is held");
	lock("a lock in its way", NLM_LOCK, &second, -EAGAIN);
	second.block = true;
	lock("a lock that waits", NLM_LOCK, &second, -EINPROGRESS);
	lock("waiting no more", NLM_CANCEL, &second, 0);
	second.block = false;
	lock("giving it back", NLM_UNLOCK, &first, 0);
	lock("the other's turn", NLM_LOCK, &second, 0);
	lock("giving it back, too", NLM_UNLOCK, &second, 0);
	first.exclusive = false;
	lock("a shared lock", NLM_LOCK, &first, 0);
	lock("a range held by a reader", NLM_TEST, &second, 0);
	/* Linux 6.1 looks for writers only, whoever asks. */
	check((is_linux && !result.locked) || (result.locked && !result.holder.exclusive), "a reader holds it");
	lock("a lock in a reader's way", NLM_LOCK, &second, -EAGAIN);
	second.exclusive = false;
	lock("another reader", NLM_LOCK, &second, 0);
	lock("the readers leave", NLM_UNLOCK, &first, 0);
	lock("both of them", NLM_UNLOCK, &second, 0);
}

static void acls(void)
{
	static const struct nfs_ace list[] = {
		{ NFS_ACE_USER_OBJ, 0, 6 }, { NFS_ACE_USER, 1001, 6 }, { NFS_ACE_GROUP_OBJ, 0, 4 },
		{ NFS_ACE_MASK, 0, 6 }, { NFS_ACE_OTHER, 0, 0 },
	};
	const struct nfs_acl acl = { .nr_access = ARRAY_SIZE(list), .access = list };
	struct nfs_call set = { .proc = NFSACL_SETACL, .fh = &file, .acl = &acl,
				.acl_mask = NFS_ACL_ACCESS | NFS_ACL_ACCESS_CNT };
	struct nfs_call get = { .proc = NFSACL_GETACL, .fh = &file, .acl_mask = NFS_ACL_ACCESS };
	struct nfs_call may = { .proc = NFS_ACCESS, .fh = &file, .access = 0x3f };

	expect("its ACL", &get, 0);
	if (!is_linux)
		return;
	expect("another ACL", &set, 0);
	expect("that ACL", &get, 0);
	check(result.acl.nr_access == ARRAY_SIZE(list), "all of it");
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		check(aces[i].tag == list[i].tag && aces[i].perm == list[i].perm, "an entry");
	check(aces[1].id == 1001, "whose it is");
	cred = (struct nfs_cred){ .uid = 1001, .gid = 1001 };
	expect("who is named in it", &may, 0);
	check(result.access == 0xd, "reads, modifies and extends");
	cred = (struct nfs_cred){ .uid = 1002, .gid = 1002 };
	expect("who is not", &may, 0);
	check(result.access == 0, "does nothing");
	cred = (struct nfs_cred){ 0 };
}

int main(int argc, char **argv)
{
	struct nfs_mount_opts opts = { .timeo_ms = 60000, .retrans = 2 };
	static struct nfs_mount mnt;
	struct nfs_call create = { .proc = NFS_CREATE, .fh = &mnt.root, .name = "locked",
				   .sattr = { .set = NFS_SET_MODE, .mode = 0640 } };
	char err[256];

	if (argc < 3)
		return 2;
	is_linux = argc > 3;
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
	acls();
	nfs_client_destroy(client);
	nfsc_umount(&mnt);
	return failed;
}
