/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * Linux keeps capabilities by thread; a new thread has those of its maker. privileges_drop() runs
 * while there is one thread only. The table's rows for the start are in that thread's permitted and
 * effective sets, but not in the bounding set; the main thread gives them up when its control socket
 * is there (threads of file systems come after that), the others when the devices are. Between
 * requests the local file system (cred.c) moves its own around within what is permitted.
 *
 * Not kept, though a root's file server has use for them: CAP_SYS_ADMIN, without which nobody
 * writes trusted.* and most security.* attributes, and CAP_SYS_RESOURCE, with which a guest would
 * fill the blocks that the disk's file system and quotas withhold.
 */
#include "privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::PRIVILEGES);

static const struct {
	unsigned int cap, needs;
} keep[] = {
	{ CAP_CHOWN, PRIV_LOCAL },
	{ CAP_DAC_OVERRIDE, PRIV_LOCAL | PRIV_START | PRIV_UNLINK },
	{ CAP_DAC_READ_SEARCH, PRIV_LOCAL }, /* and open_by_handle_at() */
	{ CAP_FOWNER, PRIV_LOCAL },
	{ CAP_FSETID, PRIV_LOCAL },
	{ CAP_SETGID, PRIV_LOCAL },
	{ CAP_SETUID, PRIV_LOCAL },
	{ CAP_MKNOD, PRIV_LOCAL },
	{ CAP_SETFCAP, PRIV_LOCAL }, /* capabilities of programs in the guest */
	{ CAP_LINUX_IMMUTABLE, PRIV_LOCAL }, /* chattr +i and +a in the guest */
	{ CAP_SYS_ADMIN, PRIV_LABEL }, /* security.* where this machine's kernel has no use for it */
	{ CAP_NET_BIND_SERVICE, PRIV_NFS }, /* reserved ports, which servers ask for */
	{ CAP_KILL, PRIV_RUN },
};

/* By number. */
static const char *const names[] = {
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
	"ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace",
	"sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
	"sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
	"perfmon", "bpf", "checkpoint_restore",
};

static uint64_t kept; /* once everything has started */

static uint64_t bit(unsigned int cap)
{
	return 1ull << cap;
}

/* ---- names ---- */

static int find_name(const char *name, size_t len)
{
	static const char prefix[] = "cap_";
	const size_t skip = len > 4 && !strncasecmp(name, prefix, 4) ? 4 : 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len - skip && !strncasecmp(names[i], name + skip, len - skip))
			return (int)i;
	return -1;
}

int privileges_parse(const char *text, struct priv_mods *ret, const char **ret_bad)
{
	*ret = (struct priv_mods){ 0 };
	while (*text) {
		size_t len = strcspn(text, ":,");
		int cap = len > 1 && strchr("+-", *text) ? find_name(text + 1, len - 1) : -1;

		*ret_bad = text;
		if (cap < 0)
			return -EINVAL;
		ret->add &= ~bit((unsigned int)cap);
		ret->drop &= ~bit((unsigned int)cap);
		*(*text == '+' ? &ret->add : &ret->drop) |= bit((unsigned int)cap);
		text += len + !!text[len];
	}
	return 0;
}

/* ---- sets ---- */

static int get_sets(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &head, data) ? -errno : 0;
}

/* Takes away whatever is not among caps; what was not effective stays so. */
static int limit_sets(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	int rc = get_sets(data);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++, caps >>= 32) {
		data[i].permitted &= (uint32_t)caps;
		data[i].effective &= (uint32_t)caps;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

/* To drop from it takes CAP_SETPCAP; who lacks that cannot get anything by it either. */
static int set_bounding(uint64_t caps)
{
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (caps & bit(cap) || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EPERM)
			return -errno;
	}
	return 0;
}

static uint64_t wanted_for(unsigned int needs)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (keep[i].needs & needs)
			caps |= bit(keep[i].cap);
	return caps;
}

static int check_add(uint64_t missing)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (missing & bit(i)) {
			DOCA_LOG_ERR("--modcaps: +%s: this process does not have it", names[i]);
			return -EPERM;
		}
	return 0;
}

int privileges_drop(unsigned int needs, const struct priv_mods *mods)
{
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };
	uint64_t have, start;
	int rc = get_sets(data);

	have = data[0].permitted | (uint64_t)data[1].permitted << 32;
	if (!rc)
		rc = check_add(mods->add & ~have);
	if (rc)
		return rc;
	kept = ((wanted_for(needs & ~PRIV_START) | mods->add) & ~mods->drop) & have;
	start = kept | (wanted_for(needs & PRIV_START) & ~mods->drop & have);
	rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
	if (!rc)
		rc = set_bounding(kept);
	if (!rc)
		rc = limit_sets(start);
	if (rc)
		DOCA_LOG_ERR("capabilities cannot be given up: %s", strerror(-rc));
	return rc;
}

int privileges_started(void)
{
	return limit_sets(kept);
}
