# SPDX-License-Identifier: BSD-3-Clause
# The NFS server is killed and comes back while the guest works; nothing may fail, only wait.

check "mount" mount_dpu || exit 1
mkdir $M/outage
echo now >$M/kill-the-server
n=0
bad=0
end=$(($(date +%s) + 8))
while [ "$(date +%s)" -lt $end ]; do
	n=$((n + 1))
	echo "$n" >$M/outage/f$n || bad=$((bad + 1))
	[ "$(cat $M/outage/f$n)" = "$n" ] || bad=$((bad + 1))
done
echo "$n files written over the outage, $bad errors"
check "no error over a server's restart" test $bad = 0
check "all files are there" test "$(ls $M/outage | wc -l)" = $n
rm -r $M/outage $M/kill-the-server
umount $M
exit $FAILED
