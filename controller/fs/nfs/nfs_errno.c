/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_errno.h"

#include <errno.h>
#include <stddef.h>

#include "base/util.h"

static const struct {
	unsigned int status;
	int err;
} table[] = {
	{ 0, 0 },
	{ 1, -EPERM },
	{ 2, -ENOENT },
	{ 5, -EIO },
	{ 6, -ENXIO },
	{ 13, -EACCES },
	{ 17, -EEXIST },
	{ 18, -EXDEV },
	{ 19, -ENODEV },
	{ 20, -ENOTDIR },
	{ 21, -EISDIR },
	{ 22, -EINVAL },
	{ 27, -EFBIG },
	{ 28, -ENOSPC },
	{ 30, -EROFS },
	{ 31, -EMLINK },
	{ 63, -ENAMETOOLONG },
	{ 66, -ENOTEMPTY },
	{ 69, -EDQUOT },
	{ 70, -ESTALE },
	{ 71, -EREMOTE },
	{ 10001, -ESTALE }, /* BADHANDLE */
	{ 10002, -EREMOTEIO }, /* NOT_SYNC; SETATTR guard is not used */
	{ 10003, -EBADE }, /* BAD_COOKIE; nfs_dir.c gets a new verifier before this shows */
	{ 10004, -EOPNOTSUPP }, /* NOTSUPP */
	{ 10005, -EIO }, /* TOOSMALL */
	{ 10006, -EREMOTEIO }, /* SERVERFAULT */
	{ 10007, -EOPNOTSUPP }, /* BADTYPE */
	{ 10008, -EAGAIN }, /* JUKEBOX; the client repeats the call before this shows */
};

int nfs_errno(unsigned int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].status == status)
			return table[i].err;
	return -EIO;
}
