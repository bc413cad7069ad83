/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Discovery. A devinfo describes a local device (an emulation manager), a devinfo_rep one emulated
 * PCI function of it as seen from this side (a representor). Lists are snapshots: opening an entry
 * takes a reference that outlives the list. Calls of this header may be made from any thread.
 */
#ifndef DOCA_DEV_H
#define DOCA_DEV_H

#include <stdint.h>

#include "doca_compat.h"
#include "doca_error.h"
#include "doca_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct doca_devinfo;	 /* a local device, before it is opened */
struct doca_devinfo_rep; /* a representor, before it is opened */
struct doca_dev;	 /* an open device */
struct doca_dev_rep;	 /* an open representor: one emulated function */

/* Bytes of addresses, and sizes of text buffers including the NUL. */
#define DOCA_DEVINFO_IPV4_ADDR_SIZE 4
#define DOCA_DEVINFO_IPV6_ADDR_SIZE 16
#define DOCA_DEVINFO_MAC_ADDR_SIZE 6
#define DOCA_DEVINFO_IFACE_NAME_SIZE 256
#define DOCA_DEVINFO_IBDEV_NAME_SIZE 64
#define DOCA_DEVINFO_VUID_SIZE 128
#define DOCA_DEVINFO_REP_VUID_SIZE 128
/* dddd:bb:dd.f and bb:dd.f */
#define DOCA_DEVINFO_PCI_ADDR_SIZE 13
#define DOCA_DEVINFO_PCI_BDF_SIZE 8
#define DOCA_DEVINFO_REP_PCI_ADDR_SIZE 13
#define DOCA_DEVINFO_REP_PCI_BDF_SIZE 8

/* Which representors a list holds. */
enum doca_devinfo_rep_filter {
	DOCA_DEVINFO_REP_FILTER_ALL = 0,
	DOCA_DEVINFO_REP_FILTER_NET = 2,
	DOCA_DEVINFO_REP_FILTER_EMULATED = 4,
};

/* --- local devices --- */

/*
 * Array of all local devices. The entries live until the list is destroyed; a device opened from
 * one lives on. NO_MEMORY; INVALID_VALUE for NULL.
 */
DOCA_STABLE doca_error_t doca_devinfo_create_list(struct doca_devinfo ***dev_list,
		uint32_t *nb_devs);
DOCA_STABLE doca_error_t doca_devinfo_destroy_list(struct doca_devinfo **dev_list);

/*
 * Opens a device; one that is open already comes back as the same object with one more reference.
 * Every open needs a close. IN_USE: the last close, while objects depend on the device.
 */
DOCA_STABLE doca_error_t doca_dev_open(struct doca_devinfo *devinfo, struct doca_dev **dev);
DOCA_STABLE doca_error_t doca_dev_close(struct doca_dev *dev);

/* View of an open device, valid as long as the device. NULL for NULL. */
DOCA_STABLE struct doca_devinfo *doca_dev_as_devinfo(const struct doca_dev *dev);

/* A hint without effect; success. */
DOCA_STABLE doca_error_t doca_dev_accelerate_resource_reclaim(struct doca_dev *dev);

/*
 * PCI address in lower-case hexadecimal, with domain. The buffer holds DOCA_DEVINFO_PCI_ADDR_SIZE.
 * Comparing takes addresses with and without domain. INVALID_VALUE: not an address.
 */
DOCA_STABLE doca_error_t doca_devinfo_get_pci_addr_str(const struct doca_devinfo *devinfo,
		char *pci_addr_str);
DOCA_STABLE doca_error_t doca_devinfo_is_equal_pci_addr(const struct doca_devinfo *devinfo,
		const char *pci_addr_str, uint8_t *is_equal);

DOCA_STABLE doca_error_t doca_devinfo_get_pci_func_type(const struct doca_devinfo *devinfo,
		enum doca_pci_func_type *pci_func_type);

/*
 * Name of the manager in the manner of RDMA devices, such as mlx5_0.
 * INVALID_VALUE: size is below DOCA_DEVINFO_IBDEV_NAME_SIZE.
 */
DOCA_STABLE doca_error_t doca_devinfo_get_ibdev_name(const struct doca_devinfo *devinfo,
		char *ibdev_name, uint32_t size);

/* Stable number of the manager. */
DOCA_STABLE doca_error_t doca_devinfo_get_vhca_id(const struct doca_devinfo *devinfo,
		uint16_t *vhca_id);

/* Properties of network devices. NOT_SUPPORTED: this one has no network. */
DOCA_STABLE doca_error_t doca_devinfo_get_ipv4_addr(const struct doca_devinfo *devinfo,
		uint8_t *ipv4_addr, uint32_t size);
DOCA_STABLE doca_error_t doca_devinfo_get_ipv6_addr(const struct doca_devinfo *devinfo,
		uint8_t *ipv6_addr, uint32_t size);
DOCA_STABLE doca_error_t doca_devinfo_get_mac_addr(const struct doca_devinfo *devinfo,
		uint8_t *mac_addr, uint32_t size);
DOCA_STABLE doca_error_t doca_devinfo_get_iface_name(const struct doca_devinfo *devinfo,
		char *iface_name, uint32_t size);
DOCA_STABLE doca_error_t doca_devinfo_get_lid(const struct doca_devinfo *devinfo, uint16_t *lid);
DOCA_STABLE doca_error_t doca_devinfo_get_active_rate(const struct doca_devinfo *devinfo,
		uint64_t *active_rate);
DOCA_STABLE doca_error_t doca_devinfo_get_sf_index(const struct doca_devinfo *devinfo,
		uint32_t *sf_index);

/* 1: the device can create hot-plug functions. */
DOCA_STABLE doca_error_t doca_devinfo_cap_is_hotplug_manager_supported(
		const struct doca_devinfo *devinfo, uint8_t *is_hotplug_manager);

/* 0 here. */
DOCA_STABLE doca_error_t doca_devinfo_cap_is_notification_moderation_supported(
		const struct doca_devinfo *devinfo, uint8_t *is_notification_moderation_supported);
DOCA_STABLE doca_error_t doca_devinfo_cap_is_accelerate_resource_reclaim_supported(
		const struct doca_devinfo *devinfo, uint8_t *is_accelerate_resource_reclaim);

/* --- representors --- */

/* Filters the device can apply: all and emulated, here. */
DOCA_STABLE doca_error_t doca_devinfo_rep_cap_is_filter_all_supported(
		const struct doca_devinfo *devinfo, uint8_t *filter_all_supported);
DOCA_STABLE doca_error_t doca_devinfo_rep_cap_is_filter_net_supported(
		const struct doca_devinfo *devinfo, uint8_t *filter_net_supported);
DOCA_STABLE doca_error_t doca_devinfo_rep_cap_is_filter_emulated_supported(
		const struct doca_devinfo *devinfo, uint8_t *filter_emulated_supported);

/*
 * Array of the representors of an open device; filter is one of enum doca_devinfo_rep_filter. Lists
 * made by doca_devemu_pci_type_create_rep_list() are destroyed here as well. Open representors live
 * on. NOT_SUPPORTED: filter.
 */
DOCA_STABLE doca_error_t doca_devinfo_rep_create_list(struct doca_dev *dev, int filter,
		struct doca_devinfo_rep ***dev_list_rep, uint32_t *nb_devs_rep);
DOCA_STABLE doca_error_t doca_devinfo_rep_destroy_list(struct doca_devinfo_rep **dev_list_rep);

/*
 * Opens a representor. It can be opened several times; each open needs a close, which never unplugs
 * anything. IN_USE: the last close, while a device object uses it.
 */
DOCA_STABLE doca_error_t doca_dev_rep_open(struct doca_devinfo_rep *devinfo,
		struct doca_dev_rep **dev_rep);
DOCA_STABLE doca_error_t doca_dev_rep_close(struct doca_dev_rep *dev);

/* View of an open representor, valid as long as it is open. NULL for NULL. */
DOCA_STABLE struct doca_devinfo_rep *doca_dev_rep_as_devinfo(struct doca_dev_rep *dev_rep);

/* Identity of the function: stable over restarts. INVALID_VALUE: the buffer is too small. */
DOCA_STABLE doca_error_t doca_devinfo_rep_get_vuid(const struct doca_devinfo_rep *devinfo_rep,
		char *rep_vuid, uint32_t size);

/* Address as the host sees it; all zeros while it does not. Otherwise as for devices. */
DOCA_STABLE doca_error_t doca_devinfo_rep_get_pci_addr_str(
		const struct doca_devinfo_rep *devinfo_rep, char *pci_addr_str);
DOCA_STABLE doca_error_t doca_devinfo_rep_is_equal_pci_addr(
		const struct doca_devinfo_rep *devinfo_rep, const char *pci_addr_str,
		uint8_t *is_equal);

DOCA_STABLE doca_error_t doca_devinfo_rep_get_pci_func_type(
		const struct doca_devinfo_rep *devinfo_rep, enum doca_pci_func_type *pci_func_type);

/* 1: made at run time. 0: static. */
DOCA_STABLE doca_error_t doca_devinfo_rep_get_is_hotplug(const struct doca_devinfo_rep *devinfo_rep,
		uint8_t *is_hotplug);

/* Stable number of the function. */
DOCA_STABLE doca_error_t doca_devinfo_rep_get_vhca_id(const struct doca_devinfo_rep *devinfo_rep,
		uint16_t *vhca_id);

/* NOT_SUPPORTED: functions here have no network. */
DOCA_STABLE doca_error_t doca_devinfo_rep_get_iface_name(const struct doca_devinfo_rep *devinfo_rep,
		char *iface_name, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif
