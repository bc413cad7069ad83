# SPDX-License-Identifier: BSD-3-Clause
# One of two machines on one directory; SIDE says which, MODE what can be expected of it.

check "mount" mount_dpu || exit 1
pair $SIDE $M $MODE || FAILED=1
umount $M
exit $FAILED
