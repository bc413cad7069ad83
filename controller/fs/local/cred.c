/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * Linux keeps ids and capabilities per thread; glibc's wrappers change all threads, so these are
 * raw system calls. Only the file-system ids (setfsuid, setfsgid) and the groups change: unlike
 * setresuid() that leaves the thread's other rights, signals and ptrace alone, and the kernel takes
 * the file-system capabilities away and gives them back by itself.
 *
 * The thread stays switched until an operation wants something else: a run of requests of one
 * caller switches once. Everything that runs as root calls cred_root() first, and so does poll(),
 * so that nothing outside this back end ever runs with a guest's ids.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "local.h"

enum cred_mode { CRED_ROOT, CRED_KILL, CRED_CALLER, CRED_CALLER_STRICT };

static _Thread_local struct {
	enum cred_mode mode;
	uid_t uid;
	gid_t gid;
	uint32_t ngroups;
	gid_t groups[FS_NGROUPS_MAX];
} cred;

/* Adds or removes one effective capability of this thread. */
static int cred_cap(unsigned int cap, bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t bit = 1u << (cap % 32);

	if (syscall(SYS_capget, &head, data))
		return -errno;
	if (on)
		data[cap / 32].effective |= bit;
	else
		data[cap / 32].effective &= ~bit;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

bool cred_can_switch(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t need = 1u << CAP_SETUID | 1u << CAP_SETGID;

	if (geteuid() || syscall(SYS_capget, &head, data))
		return false;
	return (data[0].effective & need) == need;
}

/* setfsuid() and setfsgid() report nothing; asking again with an invalid id tells what is. */
static int cred_fsid(long nr, uint32_t id)
{
	syscall(nr, id);
	return (uint32_t)syscall(nr, -1) == id ? 0 : -EPERM;
}

void cred_root(void)
{
	if (likely(cred.mode == CRED_ROOT))
		return;
	if (cred.mode == CRED_KILL) {
		cred_cap(CAP_FSETID, true);
	} else {
		cred_fsid(SYS_setfsuid, 0);
		cred_fsid(SYS_setfsgid, 0);
		if (cred.ngroups)
			syscall(SYS_setgroups, 0, NULL);
	}
	cred.mode = CRED_ROOT;
	cred.ngroups = 0;
}

static bool cred_is(const struct fs_req *req, enum cred_mode mode)
{
	return cred.mode == mode && cred.uid == req->in->uid && cred.gid == req->in->gid &&
	       cred.ngroups == req->ngroups &&
	       !memcmp(cred.groups, req->groups, req->ngroups * sizeof(req->groups[0]));
}

static int cred_switch(const struct fs_req *req, bool strict)
{
	int err;

	if (req->ngroups && syscall(SYS_setgroups, req->ngroups, req->groups))
		return -errno;
	err = cred_fsid(SYS_setfsgid, req->in->gid);
	if (!err)
		err = cred_fsid(SYS_setfsuid, req->in->uid);
	if (!err && !strict && req->in->uid)
		err = cred_cap(CAP_DAC_OVERRIDE, true);
	return err;
}

int cred_caller(const struct fs_req *req, bool strict)
{
	const struct local_thread *t = local_thread_of(req);
	enum cred_mode mode = strict ? CRED_CALLER_STRICT : CRED_CALLER;
	int err;

	if (!t->lfs->switch_creds)
		return 0;
	if (!req->in->uid && !req->in->gid && !req->ngroups) {
		cred_root();
		return 0;
	}
	if (cred_is(req, mode))
		return 0;
	if (req->in->uid == (uid_t)-1 || req->in->gid == (gid_t)-1 || req->ngroups > FS_NGROUPS_MAX)
		return -EINVAL;
	cred_root();
	/* From here on cred_root() must undo, also what only half succeeded. */
	cred.mode = mode;
	cred.uid = req->in->uid;
	cred.gid = req->in->gid;
	cred.ngroups = req->ngroups;
	memcpy(cred.groups, req->groups, req->ngroups * sizeof(req->groups[0]));
	err = cred_switch(req, strict);
	if (err)
		cred_root();
	return err;
}

int cred_root_kill(void)
{
	int err;

	if (cred.mode == CRED_KILL)
		return 0;
	cred_root();
	err = cred_cap(CAP_FSETID, false);
	if (!err)
		cred.mode = CRED_KILL;
	return err;
}
