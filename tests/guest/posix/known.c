/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a file system is known to differ from the law, and why. */
#include "posix.h"

const struct px_known px_known[] = {
	/* What a version of Linux does not have yet. */
	{ "tmpfs", "space_zero_range", NULL, "tmpfs has no ZERO_RANGE" },
	{ "tmpfs", "data_direct", NULL, "tmpfs has O_DIRECT from Linux 6.6 on" },
	{ "tmpfs", "xattr_user", NULL, "tmpfs has user attributes from Linux 6.6 on" },
	{ "tmpfs", "space_ioctl_flags", NULL, "tmpfs has them from Linux 6.6 on" },
	{ "fuse", "space_birth", NULL, "FUSE asks for the time of birth from Linux 6.6 on" },
	{ "*", "xattr_user", "user attributes of a socket", "newer kernels allow them" },
	{ "*", "xattr_spaces", "security attributes need CAP_SYS_ADMIN",
	  "with the BPF security module older kernels forget the check" },
	/* What the FUSE protocol or its client in the kernel does not do. */
	{ "fuse", "times_marks", "copy_file_range(2), the source: the file's last access",
	  "the client does not ask for the source's times again" },
	{ "fuse", "locks_mixed", "l_pid of its owner",
	  "a request does not tell an open file description's lock from a process's" },
	{ "fuse", "locks_mixed_back", "l_pid of its owner",
	  "the client says -1 whenever an open file description asks" },
	{ "fuse", "more_handles", "a rename does not matter",
	  "without FUSE_EXPORT_SUPPORT a handle lasts as long as the inode in the client's cache" },
	{ "fuse", "more_poll", "epoll_ctl(2) EPERM",
	  "the client has a poll operation for all files" },
	{ "fuse", "lockwait_interrupted", NULL, "Linux sends no INTERRUPT over virtio-fs" },
	{ "fuse", "lockwait_waiter_killed", NULL, "Linux sends no INTERRUPT over virtio-fs" },
	{ NULL, NULL, NULL, NULL },
};
