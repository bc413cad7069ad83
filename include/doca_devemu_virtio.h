/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio layer of an emulated device: features, queues, status and the reset flow. On a reset
 * by the driver all queue processing stops, the handler is told, the user gives every outstanding
 * request back and calls doca_devemu_virtio_dev_reset_complete(); stopping the device completes a
 * reset as well. Used on the thread of the device, which is the one driving its engine.
 */
#ifndef DOCA_DEVEMU_VIRTIO_H
#define DOCA_DEVEMU_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "doca_dev.h"
#include "doca_devemu_pci.h"
#include "doca_error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_virtio_dev;
struct doca_devemu_virtio_io;
struct doca_devemu_virtio_type;
struct doca_devemu_virtio_queue_stats;	   /* up to 3.1 */
struct doca_devemu_virtio_queue_dbg_state; /* from 3.2 on */

/*
 * The driver wrote 0 to the status register; queues are off already. May stop the device and its
 * I/O contexts.
 */
typedef void (*doca_devemu_virtio_dev_event_reset_handler_cb_t)(
		struct doca_devemu_virtio_dev *virtio_dev, union doca_data event_user_data);

/* A refresh of the list is done; err tells how. On the thread of the device. */
typedef void (*doca_devemu_virtio_queue_stats_list_populate_done_cb_t)(
		struct doca_devemu_virtio_queue_stats **stats_list, union doca_data user_data,
		doca_error_t err);

typedef void (*doca_devemu_virtio_queue_dbg_state_list_populate_done_cb_t)(
		struct doca_devemu_virtio_queue_dbg_state **list, union doca_data user_data,
		doca_error_t err);

/* Views, valid as long as the device. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_devemu_virtio_dev_as_ctx(
		struct doca_devemu_virtio_dev *virtio_dev);
DOCA_STABLE struct doca_devemu_pci_dev *doca_devemu_virtio_dev_as_pci_dev(
		struct doca_devemu_virtio_dev *virtio_dev);

/*
 * Configuration, from the type if not set. Setters: BAD_STATE unless IDLE; INVALID_VALUE beyond the
 * capabilities. The number of queues counts hiprio and request queues; a queue size is a power of
 * two. Only features reported as configurable can differ from the default.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_device_features_63_0(
		const struct doca_devemu_virtio_dev *virtio_dev, uint64_t *features);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_set_device_features_63_0(
		struct doca_devemu_virtio_dev *virtio_dev, uint64_t features);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_num_queues(
		const struct doca_devemu_virtio_dev *virtio_dev, uint16_t *num_queues);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_set_num_queues(
		struct doca_devemu_virtio_dev *virtio_dev, uint16_t num_queues);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_queue_size(
		const struct doca_devemu_virtio_dev *virtio_dev, uint16_t *queue_size);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_set_queue_size(
		struct doca_devemu_virtio_dev *virtio_dev, uint16_t queue_size);

/*
 * How many I/O contexts have to run before the device does. 0, the default, lets start finish at
 * once.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_num_required_running_virtio_io_ctxs(
		const struct doca_devemu_virtio_dev *virtio_dev, uint32_t *num_virtio_io);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(
		struct doca_devemu_virtio_dev *virtio_dev, uint32_t num_virtio_io);

/*
 * Registers as they are now. Driver features mean something from FEATURES_OK on, enabled queues
 * from DRIVER_OK on; a vector of 0xffff is none.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_driver_features_63_0(
		const struct doca_devemu_virtio_dev *virtio_dev, uint64_t *features);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_config_msix_vector(
		const struct doca_devemu_virtio_dev *virtio_dev, uint16_t *config_msix_vector);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_num_enabled_queues(
		const struct doca_devemu_virtio_dev *virtio_dev, uint16_t *num_queues);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_device_status(
		const struct doca_devemu_virtio_dev *virtio_dev, uint8_t *device_status);
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_get_config_generation(
		const struct doca_devemu_virtio_dev *virtio_dev, uint8_t *config_generation);

/* --- reset --- */

/* One handler, the last one registered. BAD_STATE: not IDLE. */
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_event_reset_register(
		struct doca_devemu_virtio_dev *virtio_dev,
		doca_devemu_virtio_dev_event_reset_handler_cb_t handler, union doca_data user_data);

/*
 * Everything has been given back: the status register may read 0. BAD_STATE: no reset is pending.
 * IN_USE: the user still owns requests.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_dev_reset_complete(
		struct doca_devemu_virtio_dev *virtio_dev);

/* --- what the queues do: releases up to 3.1 --- */

/*
 * One entry per queue of a started device (BAD_STATE). Populate refreshes all entries; done is
 * called only if it returned success. IN_USE: a refresh is under way.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_create_list(
		struct doca_devemu_virtio_dev *virtio_dev,
		struct doca_devemu_virtio_queue_stats ***stats_list, uint32_t *num_stats);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_destroy_list(
		struct doca_devemu_virtio_queue_stats **stats_list);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_populate_list(
		struct doca_devemu_virtio_queue_stats **stats_list,
		doca_devemu_virtio_queue_stats_list_populate_done_cb_t done,
		union doca_data user_data);

/*
 * The entry as of the last refresh: hw indices are the device's own, driver indices those in the
 * ring; inflights are requests taken and not completed. BAD_STATE: never refreshed.
 */
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_id(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *id);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_size(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *size);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_inflights(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *inflights);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_hw_avail_idx(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_driver_avail_idx(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_hw_used_idx(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_driver_used_idx(
		struct doca_devemu_virtio_queue_stats *stats, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_stats_get_enabled(
		struct doca_devemu_virtio_queue_stats *stats, uint8_t *enabled);

/* --- the same: releases from 3.2 on --- */

DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_create_list(
		struct doca_devemu_virtio_dev *virtio_dev,
		doca_devemu_virtio_queue_dbg_state_list_populate_done_cb_t done,
		union doca_data user_data, struct doca_devemu_virtio_queue_dbg_state ***list,
		uint32_t *num);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_destroy_list(
		struct doca_devemu_virtio_queue_dbg_state **list);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_populate_list(
		struct doca_devemu_virtio_queue_dbg_state **list);

/* True once the last refresh is done. */
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_is_populated(
		struct doca_devemu_virtio_queue_dbg_state **list, bool *populated);

DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_id(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *id);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_size(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *size);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_inflights(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *inflights);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_hw_avail_idx(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_driver_avail_idx(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_hw_used_idx(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_driver_used_idx(
		struct doca_devemu_virtio_queue_dbg_state *state, uint16_t *idx);
DOCA_STABLE doca_error_t doca_devemu_virtio_queue_dbg_state_get_enabled(
		struct doca_devemu_virtio_queue_dbg_state *state, uint8_t *enabled);

#ifdef __cplusplus
}
#endif

#endif
