/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/util.h"
#include "client.h"

const char *nfs_proc_name(enum nfs_proc proc)
{
	static const char *const names[] = {
		"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE",
		"CREATE", "MKDIR", "SYMLINK", "MKNOD", "REMOVE", "RMDIR", "RENAME", "LINK",
		"READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT",
		"GETACL", "SETACL", "NLM_TEST", "NLM_LOCK", "NLM_CANCEL", "NLM_UNLOCK",
		"NLM_GRANTED_RES", "NLM_FREE_ALL",
	};

	_Static_assert(ARRAY_SIZE(names) == NFS_NR_CALLS, "a name for each");
	return (unsigned int)proc < NFS_NR_CALLS ? names[proc] : "?";
}
