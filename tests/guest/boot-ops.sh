# SPDX-License-Identifier: BSD-3-Clause
# Every operation, nothing else; ONLY names some.

check "mount" mount_dpu || exit 1
fsops -p "$PROFILE" -b $M/big -n "$BIG_COUNT" $M/t $ONLY || FAILED=1
umount $M
exit $FAILED
