# SPDX-License-Identifier: BSD-3-Clause
# Random operations against a model, FSX_SECONDS for each way to do them. FSX_SEED: again what went wrong.

# judge NAME LOG: its last line says whether it came to its end.
judge()
{
	check "fsx $1: $(head -1 $2), $(tail -1 $2)" grep -q ' operations$' $2 || cat $2
}

# With write-back, Linux looks for holes without writing back first.
[ -z "$FSX_WRITEBACK" ] || w=-w
check "mount" mount_dpu || exit 1
for how in "" "-m" "-d" "-d -m" "-d -m -l 4194304"; do
	fsx $how $w ${FSX_SEED:+-s $FSX_SEED} -t $FSX_SECONDS $M/fsx >/tmp/fsx.log
	judge "$how" /tmp/fsx.log
done
# Four at once: what is cached for one file must not depend on another.
for i in 1 2 3 4; do
	fsx -d -m $w -t $FSX_SECONDS $M/fsx$i >/tmp/fsx$i.log &
done
wait
for i in 1 2 3 4; do
	judge "beside others" /tmp/fsx$i.log
done
umount $M
exit $FAILED
