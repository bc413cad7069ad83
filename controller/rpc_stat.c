/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about what devices did. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_methods.h"
#include "stats.h"

#define MAX_QUEUES 255

static struct json_object *show_latency(const struct stats_op *op)
{
	static const struct {
		const char *key;
		double p;
	} points[] = { { "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p999", 99.9 } };
	struct json_object *obj = json_object_new_object();

	rpc_add_int(obj, "mean", op->timed ? (int64_t)(op->ns / op->timed) : 0);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		rpc_add_int(obj, points[i].key, (int64_t)stats_percentile(op, points[i].p));
	return obj;
}

static struct json_object *show_op(uint32_t opcode, const struct stats_op *op)
{
	struct json_object *obj = json_object_new_object();

	rpc_add_text(obj, "opcode", stats_op_name(opcode));
	rpc_add_int(obj, "count", (int64_t)op->count);
	rpc_add_int(obj, "errors", (int64_t)op->errors);
	rpc_add_int(obj, "bytes", (int64_t)op->bytes);
	json_object_object_add(obj, "latency_ns", show_latency(op));
	return obj;
}

static void show_ops(struct json_object *obj, const struct stats *sum)
{
	struct json_object *list = json_object_new_array();
	struct stats_op total = { 0 };

	for (uint32_t i = 0; i < STATS_OPS; i++) {
		if (!sum->op[i].count || !stats_op_name(i))
			continue;
		total.count += sum->op[i].count;
		total.errors += sum->op[i].errors;
		total.bytes += sum->op[i].bytes;
		json_object_array_add(list, show_op(i, &sum->op[i]));
	}
	rpc_add_int(obj, "requests", (int64_t)total.count);
	rpc_add_int(obj, "errors", (int64_t)total.errors);
	rpc_add_int(obj, "bytes", (int64_t)total.bytes);
	json_object_object_add(obj, "opcodes", list);
}

static void show_queues(struct json_object *obj, struct device *dev)
{
	struct json_object *list = json_object_new_array(), *one;
	struct device_queue queue[MAX_QUEUES];
	unsigned int nr = 0;

	/* A device that is just resetting has none to show. */
	if (device_get_queues(dev, queue, MAX_QUEUES, &nr))
		nr = 0;
	for (unsigned int i = 0; i < nr; i++) {
		one = json_object_new_object();
		rpc_add_int(one, "id", queue[i].id);
		rpc_add_bool(one, "enabled", queue[i].enabled);
		rpc_add_int(one, "size", queue[i].size);
		rpc_add_int(one, "inflights", queue[i].inflights);
		rpc_add_int(one, "avail_idx", queue[i].avail);
		rpc_add_int(one, "used_idx", queue[i].used);
		json_object_array_add(list, one);
	}
	json_object_object_add(obj, "queues", list);
}

static void show_counter(void *arg, const char *object, const char *counter, uint64_t value)
{
	struct json_object *all = arg, *one;

	if (!json_object_object_get_ex(all, object, &one)) {
		one = json_object_new_object();
		json_object_object_add(all, object, one);
	}
	rpc_add_int(one, counter, (int64_t)value);
}

static void show_fs(struct json_object *obj, struct device *dev)
{
	struct json_object *all = json_object_new_object();

	fs_stats(dev->fs, show_counter, all);
	json_object_object_add(obj, "file_system", all);
}

static int show_device(struct rpc_call *call, struct device *dev)
{
	struct json_object *obj;
	struct stats *sum = calloc(1, sizeof(*sum));

	if (!sum)
		return -ENOMEM;
	for (unsigned int i = 0; i < dev->threads->nr; i++)
		stats_merge(sum, &dev->dio[i].stats);
	obj = json_object_new_object();
	rpc_add_text(obj, "dev_name", dev->conf->name);
	rpc_add_text(obj, "tag", dev->conf->tag);
	rpc_add_bool(obj, "exact_latency", __atomic_load_n(&dev->threads->thr[0].exact,
							    __ATOMIC_RELAXED));
	show_ops(obj, sum);
	show_queues(obj, dev);
	show_fs(obj, dev);
	json_object_array_add(call->result, obj);
	free(sum);
	return 0;
}

void rpc_get_stat(struct rpc_call *call)
{
	struct devtab *tab = rpc_devtab(call->rpc);
	unsigned int only = 0;
	int rc = 0;

	if (call->value[0] && !rpc_find_device(call, RPC_DEVICE_RUNNING, &only))
		return;
	call->result = json_object_new_array();
	for (unsigned int i = 0; !rc && i < CONF_MAX_DEVICES; i++)
		if (tab->entry[i].dev && !tab->entry[i].stopping && (!call->value[0] || i == only))
			rc = show_device(call, tab->entry[i].dev);
	if (rc)
		rpc_fail(call, rc, "out of memory");
}

void rpc_set_latency(struct rpc_call *call)
{
	struct thr_set *threads = rpc_devtab(call->rpc)->threads;

	for (unsigned int i = 0; i < threads->nr; i++)
		thr_set_exact(&threads->thr[i], rpc_bool(call, 0, false));
}
