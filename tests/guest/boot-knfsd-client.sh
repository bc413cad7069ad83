# SPDX-License-Identifier: BSD-3-Clause
# Over the kernel's NFS server: every operation, and who may do what.

C=/mnt/control

# Users other than root write their notes to /tmp.
chmod 755 / && chmod 1777 /tmp
mkdir -p $C /mnt/squashed /mnt/lists
check "mount for talking to the host" mount -t virtiofs control $C || exit 1
check "mount" mount_dpu || exit 1
check "mount what squashes root" mount -t virtiofs squashed /mnt/squashed || exit 1
check "mount what has ACLs" mount -t virtiofs lists /mnt/lists || exit 1
fsops -p nfs -t 300 -b $M/big -n "$BIG_COUNT" $M/t || FAILED=1
rights try $M/rights/guest >$C/rights.guest || not_ok "asking for rights"
rights try /mnt/squashed/guest >$C/squashed.guest || not_ok "asking for rights, squashed"
rights try /mnt/lists/lists/guest >$C/lists.guest || not_ok "asking for rights by ACLs"
check "unmount" umount $M /mnt/squashed /mnt/lists
umount $C
exit $FAILED
