# SPDX-License-Identifier: BSD-3-Clause
# Over the kernel's NFS server: every operation, and who may do what.

C=/mnt/control

# Users other than root write their notes to /tmp.
chmod 755 / && chmod 1777 /tmp
mkdir -p $C /mnt/squashed
check "mount for talking to the host" mount -t virtiofs control $C || exit 1
check "mount" mount_dpu || exit 1
check "mount what squashes root" mount -t virtiofs squashed /mnt/squashed || exit 1
fsops -p nfs -t 300 -b $M/big -n "$BIG_COUNT" $M/t || FAILED=1
rights try $M/rights/guest >$C/rights.guest || not_ok "asking for rights"
rights try /mnt/squashed/guest >$C/squashed.guest || not_ok "asking for rights, squashed"
check "unmount" umount $M /mnt/squashed
umount $C
exit $FAILED
