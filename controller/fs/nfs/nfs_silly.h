/* SPDX-License-Identifier: BSD-3-Clause */
/* How silly rename's names look: as the Linux client's, 16 digits of the file id and 8 of a number. */
#ifndef FS_NFS_SILLY_H
#define FS_NFS_SILLY_H

#define NFS_SILLY_PREFIX ".nfs"
#define NFS_SILLY_PREFIX_LEN 4
#define NFS_SILLY_DIGITS 24
#define NFS_SILLY_LEN 40

#endif
