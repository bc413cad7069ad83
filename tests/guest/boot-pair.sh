# SPDX-License-Identifier: BSD-3-Clause
# One of two machines on one directory; SIDE says which.

check "mount" mount_dpu || exit 1
pair $SIDE $M || FAILED=1
umount $M
exit $FAILED
