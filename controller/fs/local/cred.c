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

struct cred_ids {
	uid_t uid;
	gid_t gid;
	uint32_t ngroups;
	gid_t groups[FS_NGROUPS_MAX];
};

static _Thread_local struct {
	enum cred_mode mode;
	mode_t umask;
	struct cred_ids ids;
} cred;

#define CAP(name) (1u << CAP_##name)

/* Adds those of the capabilities that we have to this thread's effective ones, or removes them. */
static int cred_caps(uint32_t caps, bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	if (on)
		data[0].effective |= caps & data[0].permitted;
	else
		data[0].effective &= ~caps;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

bool cred_can_switch(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t need = CAP(SETUID) | CAP(SETGID);

	if (geteuid() || syscall(SYS_capget, &head, data))
		return false;
	return (data[0].effective & need) == need;
}

void cred_start(void)
{
	/* It would write beyond every quota of the host. */
	cred_caps(CAP(SYS_RESOURCE), false);
	/* Where that is forbidden, so is taking a caller's groups. */
	syscall(SYS_setgroups, 0, NULL);
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
		cred_caps(CAP(FSETID), true);
	} else {
		cred_fsid(SYS_setfsuid, 0);
		cred_fsid(SYS_setfsgid, 0);
		if (cred.ids.ngroups)
			syscall(SYS_setgroups, 0, NULL);
	}
	cred.mode = CRED_ROOT;
	cred.ids.ngroups = 0;
}

static bool cred_is(const struct cred_ids *ids, enum cred_mode mode)
{
	return cred.mode == mode && cred.ids.uid == ids->uid && cred.ids.gid == ids->gid &&
	       cred.ids.ngroups == ids->ngroups &&
	       !memcmp(cred.ids.groups, ids->groups, ids->ngroups * sizeof(ids->groups[0]));
}

/* The ids of the request as they are here. */
static int cred_ids_of(const struct fs_req *req, struct cred_ids *ids)
{
	const struct local_fs *lfs = local_thread_of(req)->lfs;
	int err;

	ids->ngroups = req->ngroups;
	if (req->in->uid == (uid_t)-1 || req->in->gid == (gid_t)-1 || req->ngroups > FS_NGROUPS_MAX)
		return -EINVAL;
	err = idmap_to_host(&lfs->uids, req->in->uid, &ids->uid);
	if (!err)
		err = idmap_to_host(&lfs->gids, req->in->gid, &ids->gid);
	for (uint32_t i = 0; !err && i < ids->ngroups; i++)
		err = idmap_to_host(&lfs->gids, req->groups[i], &ids->groups[i]);
	return err;
}

static int cred_switch(const struct cred_ids *ids, bool strict)
{
	int err;

	if (ids->ngroups && syscall(SYS_setgroups, ids->ngroups, ids->groups))
		return -errno;
	err = cred_fsid(SYS_setfsgid, ids->gid);
	if (!err)
		err = cred_fsid(SYS_setfsuid, ids->uid);
	/* Who may make a device the guest's kernel has judged, as only root may here. */
	if (!err && ids->uid)
		err = cred_caps(CAP(MKNOD) | (strict ? 0 : CAP(DAC_OVERRIDE)), true);
	return err;
}

int cred_caller(const struct fs_req *req, bool strict)
{
	enum cred_mode mode = strict ? CRED_CALLER_STRICT : CRED_CALLER;
	struct cred_ids ids;
	int err = cred_ids_of(req, &ids);

	if (err || !local_thread_of(req)->lfs->switch_creds)
		return err;
	if (!ids.uid && !ids.gid && !ids.ngroups) {
		cred_root();
		return 0;
	}
	if (cred_is(&ids, mode))
		return 0;
	cred_root();
	/* From here on cred_root() must undo, also what only half succeeded. */
	cred.mode = mode;
	cred.ids = ids;
	err = cred_switch(&ids, strict);
	if (err)
		cred_root();
	return err;
}

void cred_umask(mode_t mask)
{
	if (likely(cred.umask == mask))
		return;
	umask(mask);
	cred.umask = mask;
}

int cred_root_kill(void)
{
	int err;

	if (cred.mode == CRED_KILL)
		return 0;
	cred_root();
	err = cred_caps(CAP(FSETID), false);
	if (!err)
		cred.mode = CRED_KILL;
	return err;
}
