/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics of queues, under their two public names.
 *
 * Theory of operation: a list is one allocation, pointers first and entries behind. Populating
 * asks every queue for a snapshot; an I/O context takes it on its own thread, the device's engine
 * copies it into the list when all have answered and reports. One list at a time per device.
 */
#include <stdlib.h>

#include "base/util.h"
#include "devemu/vdev.h"

/* One entry; the two public types are two names of it. */
struct queue_entry {
	struct queue_list *list;
	uint16_t id;
	bool populated;
	struct vqueue_state state;
};

struct queue_list {
	struct doca_devemu_virtio_dev *dev;
	/* at most one of the two */
	doca_devemu_virtio_queue_stats_list_populate_done_cb_t stats_done;
	doca_devemu_virtio_queue_dbg_state_list_populate_done_cb_t state_done;
	union doca_data user_data;
	bool populated, pending;
	uint32_t cnt;
	struct queue_entry *entry;
	void *pointers[]; /* what the application has, then the entries */
};

static struct queue_list *queue_list_of(void *entries)
{
	return container_of(entries, struct queue_list, pointers);
}

static doca_error_t queue_list_create(struct doca_devemu_virtio_dev *dev, void ***ret_entries,
				      uint32_t *ret_cnt)
{
	struct queue_list *list;
	uint32_t i, cnt;

	if (!dev || !ret_entries || !ret_cnt)
		return DOCA_ERROR_INVALID_VALUE;
	if (dev->pci.ctx.state != DOCA_CTX_STATE_RUNNING)
		return DOCA_ERROR_BAD_STATE;
	cnt = vdev_num_queues(dev);
	list = calloc(1, sizeof(*list) + (cnt + 1) * sizeof(void *) +
				 cnt * sizeof(struct queue_entry));
	if (!list)
		return DOCA_ERROR_NO_MEMORY;
	list->dev = dev;
	list->cnt = cnt;
	list->entry = (void *)&list->pointers[cnt + 1];
	for (i = 0; i < cnt; i++) {
		list->entry[i].list = list;
		list->entry[i].id = (uint16_t)i;
		list->pointers[i] = &list->entry[i];
	}
	*ret_entries = list->pointers;
	*ret_cnt = cnt;
	return DOCA_SUCCESS;
}

static doca_error_t queue_list_destroy(void *entries)
{
	struct queue_list *list;

	if (!entries)
		return DOCA_ERROR_INVALID_VALUE;
	list = queue_list_of(entries);
	if (list->pending)
		return DOCA_ERROR_IN_USE;
	free(list);
	return DOCA_SUCCESS;
}

static doca_error_t queue_list_populate(struct queue_list *list)
{
	struct doca_devemu_virtio_dev *dev = list->dev;
	uint32_t i;

	if (dev->pci.ctx.state != DOCA_CTX_STATE_RUNNING)
		return DOCA_ERROR_BAD_STATE;
	if (dev->populating)
		return DOCA_ERROR_IN_USE;
	dev->populating = list;
	list->populated = false;
	list->pending = true;
	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < list->cnt; i++)
		vqueue_ask(&dev->queue[i], VQUEUE_STATE);
	pthread_mutex_unlock(&dev->lock);
	dev->dirty = true;
	return DOCA_SUCCESS;
}

/* The application may destroy the list. */
static enum ctx_progress queue_list_report(struct queue_list *list)
{
	if (list->stats_done)
		list->stats_done((struct doca_devemu_virtio_queue_stats **)list->pointers,
				 list->user_data, DOCA_SUCCESS);
	else if (list->state_done)
		list->state_done((struct doca_devemu_virtio_queue_dbg_state **)list->pointers,
				 list->user_data, DOCA_SUCCESS);
	else
		return CTX_HOUSEKEEPING;
	return CTX_EVENT;
}

enum ctx_progress queue_list_check(struct doca_devemu_virtio_dev *dev)
{
	struct queue_list *list = dev->populating;
	bool waits = false;
	uint32_t i;

	if (!list)
		return CTX_NOTHING;
	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < list->cnt; i++) {
		list->entry[i].state = dev->queue[i].state;
		waits |= dev->queue[i].io && (dev->queue[i].cmds & VQUEUE_STATE);
	}
	pthread_mutex_unlock(&dev->lock);
	if (waits)
		return CTX_NOTHING;
	for (i = 0; i < list->cnt; i++)
		list->entry[i].populated = true;
	list->populated = true;
	list->pending = false;
	dev->populating = NULL;
	dev->dirty = true;
	return queue_list_report(list);
}

/* ---- the public types ---- */

doca_error_t doca_devemu_virtio_queue_stats_create_list(
	struct doca_devemu_virtio_dev *dev, struct doca_devemu_virtio_queue_stats ***stats_list,
	uint32_t *num_stats)
{
	return queue_list_create(dev, (void ***)stats_list, num_stats);
}

doca_error_t doca_devemu_virtio_queue_stats_destroy_list(
	struct doca_devemu_virtio_queue_stats **stats_list)
{
	return queue_list_destroy(stats_list);
}

doca_error_t doca_devemu_virtio_queue_stats_populate_list(
	struct doca_devemu_virtio_queue_stats **stats_list,
	doca_devemu_virtio_queue_stats_list_populate_done_cb_t done, union doca_data user_data)
{
	struct queue_list *list;

	if (!stats_list || !done)
		return DOCA_ERROR_INVALID_VALUE;
	list = queue_list_of(stats_list);
	if (list->dev->populating)
		return DOCA_ERROR_IN_USE;
	list->stats_done = done;
	list->user_data = user_data;
	return queue_list_populate(list);
}

doca_error_t doca_devemu_virtio_queue_dbg_state_create_list(
	struct doca_devemu_virtio_dev *dev,
	doca_devemu_virtio_queue_dbg_state_list_populate_done_cb_t done, union doca_data user_data,
	struct doca_devemu_virtio_queue_dbg_state ***list, uint32_t *num)
{
	doca_error_t err = queue_list_create(dev, (void ***)list, num);

	if (err != DOCA_SUCCESS)
		return err;
	queue_list_of(*list)->state_done = done;
	queue_list_of(*list)->user_data = user_data;
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_virtio_queue_dbg_state_destroy_list(
	struct doca_devemu_virtio_queue_dbg_state **list)
{
	return queue_list_destroy(list);
}

doca_error_t doca_devemu_virtio_queue_dbg_state_populate_list(
	struct doca_devemu_virtio_queue_dbg_state **list)
{
	return list ? queue_list_populate(queue_list_of(list)) : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devemu_virtio_queue_dbg_state_is_populated(
	struct doca_devemu_virtio_queue_dbg_state **list, bool *populated)
{
	if (!list || !populated)
		return DOCA_ERROR_INVALID_VALUE;
	*populated = queue_list_of(list)->populated;
	return DOCA_SUCCESS;
}

/* Both types have the same getters. */
#define STATE_GETTER(type, name, ctype, value) \
	doca_error_t doca_devemu_virtio_##type##_get_##name( \
		struct doca_devemu_virtio_##type *entry, ctype *ret) \
	{ \
		const struct queue_entry *e = (const void *)entry; \
\
		if (!e || !ret) \
			return DOCA_ERROR_INVALID_VALUE; \
		if (!e->populated) \
			return DOCA_ERROR_BAD_STATE; \
		*ret = (value); \
		return DOCA_SUCCESS; \
	}

#define STATE_GETTERS(type) \
	STATE_GETTER(type, id, uint16_t, e->id) \
	STATE_GETTER(type, size, uint16_t, e->state.size) \
	STATE_GETTER(type, inflights, uint16_t, e->state.inflights) \
	STATE_GETTER(type, hw_avail_idx, uint16_t, e->state.hw_avail) \
	STATE_GETTER(type, driver_avail_idx, uint16_t, e->state.driver_avail) \
	STATE_GETTER(type, hw_used_idx, uint16_t, e->state.hw_used) \
	STATE_GETTER(type, driver_used_idx, uint16_t, e->state.driver_used) \
	STATE_GETTER(type, enabled, uint8_t, e->state.enabled)

STATE_GETTERS(queue_stats)
STATE_GETTERS(queue_dbg_state)
