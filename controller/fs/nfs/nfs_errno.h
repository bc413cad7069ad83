/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FS_NFS_ERRNO_H
#define FS_NFS_ERRNO_H

/* The errno Linux shows for a status of RFC 1813 or of MOUNT v3, negative; 0 for OK. */
int nfs_errno(unsigned int status);

#endif
