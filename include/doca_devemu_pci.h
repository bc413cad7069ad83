/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One emulated PCI function under management: a context (see doca_ctx.h) connected to its engine
 * when created. Static functions exist from the start; hot-plug functions are created, plugged and
 * unplugged at run time and outlive the process that made them.
 */
#ifndef DOCA_DEVEMU_PCI_H
#define DOCA_DEVEMU_PCI_H

#include <stdint.h>
#include <sys/uio.h>

#include "doca_ctx.h"
#include "doca_dev.h"
#include "doca_devemu_pci_ep.h"
#include "doca_devemu_pci_type.h"
#include "doca_error.h"
#include "doca_mmap.h"
#include "doca_pe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devemu_pci_dev;
struct doca_devemu_pci_resources;
struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write;

/* Is the function on the host's bus? Static functions are always powered on. */
enum doca_devemu_pci_hotplug_state {
	DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF = 0,
	DOCA_DEVEMU_PCI_HP_STATE_UNPLUG_IN_PROGRESS = 1,	/* until the host lets go */
	DOCA_DEVEMU_PCI_HP_STATE_PLUG_IN_PROGRESS = 2,		/* until it is taken */
	DOCA_DEVEMU_PCI_HP_STATE_POWER_ON = 3,
};

/* Handlers run on the thread that drives the engine of the device. */

/* The plug state changed; doca_devemu_pci_dev_get_hotplug_state() tells it. */
typedef void (*doca_devemu_pci_dev_event_hotplug_state_change_handler_cb_t)(
		struct doca_devemu_pci_dev *pci_dev, union doca_data user_data);

/*
 * The host wrote to a stateful region, once or more often since the last event for it; what it
 * holds now tells doca_devemu_pci_dev_query_bar_stateful_region_values(). The event lives until the
 * handler returns.
 */
typedef void (*doca_devemu_pci_dev_event_bar_stateful_region_driver_write_handler_cb_t)(
		struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event,
		union doca_data user_data);

/*
 * The host reset the function (FLR); nothing reaches it any more. Give back all requests, then stop
 * and start the device, from here or later.
 */
typedef void (*doca_devemu_pci_dev_event_flr_handler_cb_t)(struct doca_devemu_pci_dev *pci_dev,
		union doca_data user_data);

/* Can mmaps of host memory be given devices? 1. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_is_mmap_add_dev_supported(
		const struct doca_devinfo *devinfo, uint8_t *supported);

/* Most hot-plug functions at a time. */
DOCA_STABLE doca_error_t doca_devemu_pci_cap_get_max_hotplug_devices(
		const struct doca_devinfo *devinfo, uint32_t *max_hotplug_devices);

/*
 * Takes a function of a started type over; the context is connected to the engine for life.
 * INVALID_VALUE: representor of another type. IN_USE: it has a device object.
 *
 * Destroying leaves the function where it is. BAD_STATE: not IDLE. NOT_PERMITTED: the view of a
 * virtio device.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_create(struct doca_devemu_pci_type *pci_type,
		struct doca_dev_rep *dev_rep, struct doca_pe *progress_engine,
		struct doca_devemu_pci_dev **pci_dev);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_destroy(struct doca_devemu_pci_dev *pci_dev);

/* View as a context, valid as long as the device. NULL for NULL. */
DOCA_STABLE struct doca_ctx *doca_devemu_pci_dev_as_ctx(struct doca_devemu_pci_dev *pci_dev);

/* View as an endpoint (doca_devemu_pci_ep.h), valid as long as the device. NULL for NULL. */
DOCA_STABLE struct doca_devemu_pci_ep *doca_devemu_pci_dev_as_ep(
		struct doca_devemu_pci_dev *pci_dev);

/*
 * Registers of the configuration space, from the type if not set. Setters: BAD_STATE unless IDLE;
 * NOT_PERMITTED for a function the host may have seen: a static or a plugged one.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_device_id(
		const struct doca_devemu_pci_dev *pci_dev, uint16_t *device_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_device_id(struct doca_devemu_pci_dev *pci_dev,
		uint16_t device_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_vendor_id(
		const struct doca_devemu_pci_dev *pci_dev, uint16_t *vendor_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_vendor_id(struct doca_devemu_pci_dev *pci_dev,
		uint16_t vendor_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_subsystem_id(
		const struct doca_devemu_pci_dev *pci_dev, uint16_t *subsystem_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_subsystem_id(struct doca_devemu_pci_dev *pci_dev,
		uint16_t subsystem_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_subsystem_vendor_id(
		const struct doca_devemu_pci_dev *pci_dev, uint16_t *subsystem_vid);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_subsystem_vendor_id(
		struct doca_devemu_pci_dev *pci_dev, uint16_t subsystem_vid);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_revision_id(
		const struct doca_devemu_pci_dev *pci_dev, uint8_t *revision_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_revision_id(struct doca_devemu_pci_dev *pci_dev,
		uint8_t revision_id);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_class_code(
		const struct doca_devemu_pci_dev *pci_dev, uint32_t *class_code);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_class_code(struct doca_devemu_pci_dev *pci_dev,
		uint32_t class_code);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_num_msix(const struct doca_devemu_pci_dev *pci_dev,
		uint16_t *num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_set_num_msix(struct doca_devemu_pci_dev *pci_dev,
		uint16_t num_msix);

/* --- hot plug --- */

/* BAD_STATE: not started. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_get_hotplug_state(struct doca_devemu_pci_dev *pci_dev,
		enum doca_devemu_pci_hotplug_state *state);

/* The same without a device object. NOT_PERMITTED: static function. */
DOCA_STABLE doca_error_t doca_devemu_pci_rep_get_hotplug_state(struct doca_dev_rep *rep_dev,
		enum doca_devemu_pci_hotplug_state *state);

/*
 * Begins to insert a powered-off function, or to remove one that is or will be powered on. No event
 * for this step, one when the host has done its part. BAD_STATE: not RUNNING, or not that plug
 * state. NOT_SUPPORTED: static function. AGAIN: the host is not ready.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_hotplug(struct doca_devemu_pci_dev *pci_dev);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_hotunplug(struct doca_devemu_pci_dev *pci_dev);

/* One handler, the last one registered. IDLE or RUNNING. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_event_hotplug_state_change_register(
		struct doca_devemu_pci_dev *pci_dev,
		doca_devemu_pci_dev_event_hotplug_state_change_handler_cb_t handler,
		union doca_data user_data);

/* --- function level reset --- */

/* 1 between the reset and the restart of the device. BAD_STATE: not started. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_is_flr(const struct doca_devemu_pci_dev *pci_dev,
		uint8_t *flr);

/* One handler, the last one registered. BAD_STATE: not IDLE. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_event_flr_register(struct doca_devemu_pci_dev *pci_dev,
		doca_devemu_pci_dev_event_flr_handler_cb_t handler, union doca_data user_data);

/* --- stateful regions --- */

/*
 * As doca_devemu_pci_type_modify_bar_stateful_region_default_values(), for one started device; from
 * the next reset or plug on.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_default_values(
		struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t start_addr,
		void *default_values, uint64_t size);

/*
 * What the host reads now, at an offset in the BAR; the range lies in one region (INVALID_VALUE).
 * Changing it raises no event. BAD_STATE: not started.
 */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_values(
		struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *values,
		uint64_t size);
DOCA_STABLE doca_error_t doca_devemu_pci_dev_query_bar_stateful_region_values(
		struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *out_values,
		uint64_t size);

/* One handler for each region, named by BAR and start. BAD_STATE: not IDLE. */
DOCA_STABLE doca_error_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_register(
		struct doca_devemu_pci_dev *pci_dev,
		doca_devemu_pci_dev_event_bar_stateful_region_driver_write_handler_cb_t handler,
		uint8_t bar_id, uint64_t bar_region_start_addr, union doca_data user_data);

/* Where the event took place. */
DOCA_STABLE struct doca_devemu_pci_dev *
doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_pci_dev(
		struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event);
DOCA_STABLE uint8_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_id(
		struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event);
DOCA_STABLE uint64_t
doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_region_start_addr(
		struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event);

/* --- resources --- */

/* A snapshot of what is left for a function, to be released. */
DOCA_STABLE doca_error_t doca_devemu_pci_get_available_resources(const struct doca_devinfo *devinfo,
		struct doca_devemu_pci_resources **pci_resources);
DOCA_STABLE doca_error_t doca_devemu_pci_release_resources(
		struct doca_devemu_pci_resources *pci_resources);
DOCA_STABLE doca_error_t doca_devemu_pci_resources_get_num_msix(
		const struct doca_devemu_pci_resources *pci_resources, uint32_t *num_msix);
DOCA_STABLE doca_error_t doca_devemu_pci_resources_get_num_db(
		const struct doca_devemu_pci_resources *pci_resources, uint32_t *num_db);

/* --- host memory --- */

/* doca_devemu_pci_ep_mmap_create() by the name it has up to 3.2. */
DOCA_STABLE doca_error_t doca_devemu_pci_mmap_create(struct doca_devemu_pci_dev *pci_dev,
		struct doca_mmap **mmap);

#ifdef __cplusplus
}
#endif

#endif
