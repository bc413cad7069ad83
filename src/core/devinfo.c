/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Discovery: lists of emulation managers and of their functions, opening and closing.
 *
 * Theory of Operation: managers and static functions belong to the board and live as long as the
 * process; hot-plug functions are counted. A list is an array of pointers to them. A manager has
 * at most one doca_dev, counted; every opening of a representor makes an object of its own, so
 * that the holders of one function do not depend on each other.
 */
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/dev.h"
#include "core/plug.h"
#include "softdpu_ext.h"

#define VHCA_FIRST_HOTPLUG 200 /* + port; static functions have 1 to 128 */

/* Lists */

doca_error_t doca_devinfo_create_list(struct doca_devinfo ***dev_list, uint32_t *nb_devs)
{
	struct doca_devinfo **list;
	struct board *board;
	doca_error_t ret;
	unsigned int i;

	if (!dev_list || !nb_devs)
		return DOCA_ERROR_INVALID_VALUE;
	ret = board_get(&board);
	if (ret != DOCA_SUCCESS)
		return ret;
	list = calloc(board->nr_managers + 1, sizeof(struct doca_devinfo *));
	if (!list)
		return DOCA_ERROR_NO_MEMORY;
	for (i = 0; i < board->nr_managers; i++)
		list[i] = &board->managers[i];
	*dev_list = list;
	*nb_devs = board->nr_managers;
	return DOCA_SUCCESS;
}

doca_error_t doca_devinfo_destroy_list(struct doca_devinfo **dev_list)
{
	if (!dev_list)
		return DOCA_ERROR_INVALID_VALUE;
	free(dev_list);
	return DOCA_SUCCESS;
}

/* Under the board lock. Takes the function into the list if it is of this type. */
static uint32_t rep_list_add(struct doca_devinfo_rep *reps, uint32_t cnt, struct function *fn,
			     const char *type)
{
	if (!fn || (type && strcmp(fn->type, type)))
		return cnt;
	function_get(fn);
	reps[cnt].fn = fn;
	return cnt + 1;
}

doca_error_t dev_rep_list_create(struct doca_devinfo *info, const char *type,
				 struct doca_devinfo_rep ***ret_list, uint32_t *ret_cnt)
{
	unsigned int i, room = info->nr_functions + info->num_hotplug_ports;
	struct doca_devinfo_rep **list;
	struct doca_devinfo_rep *reps;
	uint32_t cnt = 0;

	/* Pointers with their terminator first, what they point to behind them. */
	list = calloc(room + 1, sizeof(*list) + sizeof(*reps));
	if (!list)
		return DOCA_ERROR_NO_MEMORY;
	plug_refresh(info);
	reps = (struct doca_devinfo_rep *)(list + room + 1);
	board_lock();
	for (i = 0; i < info->nr_functions; i++)
		cnt = rep_list_add(reps, cnt, &info->functions[i], type);
	for (i = 0; i < info->num_hotplug_ports; i++)
		cnt = rep_list_add(reps, cnt, info->port[i], type);
	board_unlock();
	for (i = 0; i < cnt; i++)
		list[i] = &reps[i];
	*ret_list = list;
	*ret_cnt = cnt;
	return DOCA_SUCCESS;
}

doca_error_t doca_devinfo_rep_create_list(struct doca_dev *dev, int filter,
					  struct doca_devinfo_rep ***dev_list_rep,
					  uint32_t *nb_devs_rep)
{
	if (!dev || !dev_list_rep || !nb_devs_rep)
		return DOCA_ERROR_INVALID_VALUE;
	if (filter & ~DOCA_DEVINFO_REP_FILTER_EMULATED)
		return DOCA_ERROR_NOT_SUPPORTED;
	return dev_rep_list_create(dev->info, NULL, dev_list_rep, nb_devs_rep);
}

doca_error_t doca_devinfo_rep_destroy_list(struct doca_devinfo_rep **dev_list_rep)
{
	uint32_t i;

	if (!dev_list_rep)
		return DOCA_ERROR_INVALID_VALUE;
	board_lock();
	for (i = 0; dev_list_rep[i]; i++)
		function_put(dev_list_rep[i]->fn);
	board_unlock();
	free(dev_list_rep);
	return DOCA_SUCCESS;
}

/* Open and close */

doca_error_t doca_dev_open(struct doca_devinfo *devinfo, struct doca_dev **ret_dev)
{
	struct doca_dev *dev;

	if (!devinfo || !ret_dev)
		return DOCA_ERROR_INVALID_VALUE;
	board_lock();
	dev = devinfo->dev;
	if (!dev) {
		dev = calloc(1, sizeof(*dev));
		if (dev)
			dev->info = devinfo;
		devinfo->dev = dev;
	}
	if (dev)
		dev->refcount++;
	board_unlock();
	if (!dev)
		return DOCA_ERROR_NO_MEMORY;
	*ret_dev = dev;
	return DOCA_SUCCESS;
}

doca_error_t doca_dev_close(struct doca_dev *dev)
{
	doca_error_t ret = DOCA_SUCCESS;

	if (!dev)
		return DOCA_ERROR_INVALID_VALUE;
	board_lock();
	if (dev->refcount == 1 && dev->users) {
		ret = DOCA_ERROR_IN_USE;
	} else if (!--dev->refcount) {
		dev->info->dev = NULL;
		free(dev);
	}
	board_unlock();
	return ret;
}

void dev_get(struct doca_dev *dev)
{
	board_lock();
	dev->users++;
	board_unlock();
}

void dev_put(struct doca_dev *dev)
{
	board_lock();
	dev->users--;
	board_unlock();
}

doca_error_t doca_dev_rep_open(struct doca_devinfo_rep *devinfo, struct doca_dev_rep **dev_rep)
{
	struct doca_dev_rep *rep;

	if (!devinfo || !dev_rep)
		return DOCA_ERROR_INVALID_VALUE;
	rep = calloc(1, sizeof(*rep));
	if (!rep)
		return DOCA_ERROR_NO_MEMORY;
	rep->info = *devinfo;
	board_lock();
	rep->dev = devinfo->fn->manager->dev;
	if (rep->dev) {
		rep->dev->users++;
		devinfo->fn->rep_opens++;
		function_get(devinfo->fn);
	}
	board_unlock();
	if (!rep->dev) { /* a list outlived its manager */
		free(rep);
		return DOCA_ERROR_BAD_STATE;
	}
	*dev_rep = rep;
	return DOCA_SUCCESS;
}

doca_error_t doca_dev_rep_close(struct doca_dev_rep *dev)
{
	bool in_use;

	if (!dev)
		return DOCA_ERROR_INVALID_VALUE;
	board_lock();
	in_use = dev->users;
	if (!in_use) {
		dev->dev->users--;
		dev->info.fn->rep_opens--;
		function_put(dev->info.fn);
	}
	board_unlock();
	if (in_use)
		return DOCA_ERROR_IN_USE;
	free(dev);
	return DOCA_SUCCESS;
}

void dev_rep_get(struct doca_dev_rep *rep)
{
	board_lock();
	rep->users++;
	board_unlock();
}

void dev_rep_put(struct doca_dev_rep *rep)
{
	board_lock();
	rep->users--;
	board_unlock();
}

struct function *dev_rep_function(const struct doca_dev_rep *rep)
{
	return rep->info.fn;
}

struct doca_devinfo *doca_dev_as_devinfo(const struct doca_dev *dev)
{
	return dev ? dev->info : NULL;
}

struct doca_devinfo_rep *doca_dev_rep_as_devinfo(struct doca_dev_rep *dev_rep)
{
	return dev_rep ? &dev_rep->info : NULL;
}

doca_error_t doca_dev_accelerate_resource_reclaim(struct doca_dev *dev)
{
	return dev ? DOCA_SUCCESS : DOCA_ERROR_INVALID_VALUE;
}

/* PCI addresses */

/* Reads exactly `digits` hexadecimal digits; -1 otherwise. */
static int parse_hex(const char *text, int digits)
{
	int i, value = 0;

	for (i = 0; i < digits; i++) {
		const char *all = "0123456789abcdefABCDEF";
		const char *pos = text[i] ? strchr(all, text[i]) : NULL;

		if (!pos)
			return -1;
		value = value * 16 + (int)(pos - all) - (pos - all > 15 ? 6 : 0);
	}
	return value;
}

int dev_parse_pci_addr(const char *text, uint64_t *ret_addr)
{
	int domain = 0, bus, slot, fn;

	if (strlen(text) == DOCA_DEVINFO_PCI_ADDR_SIZE - 1) {
		domain = parse_hex(text, 4);
		if (text[4] != ':')
			return -1;
		text += 5;
	}
	if (strlen(text) != DOCA_DEVINFO_PCI_BDF_SIZE - 1 || text[2] != ':' || text[5] != '.')
		return -1;
	bus = parse_hex(text, 2);
	slot = parse_hex(text + 3, 2);
	fn = parse_hex(text + 6, 1);
	if (domain < 0 || bus < 0 || slot < 0 || slot > 31 || fn < 0 || fn > 7)
		return -1;
	*ret_addr = (uint64_t)domain << 16 | (uint64_t)bus << 8 | (uint64_t)slot << 3 | (uint64_t)fn;
	return 0;
}

static doca_error_t is_equal_pci_addr(const char *own, const char *other, uint8_t *is_equal)
{
	uint64_t own_addr, other_addr;

	if (!other || !is_equal || dev_parse_pci_addr(other, &other_addr) < 0)
		return DOCA_ERROR_INVALID_VALUE;
	if (dev_parse_pci_addr(own, &own_addr) < 0)
		return DOCA_ERROR_UNEXPECTED;
	*is_equal = own_addr == other_addr;
	return DOCA_SUCCESS;
}

/* Zeros while the host has not taken the function. */
static const char *rep_pci_addr(const struct doca_devinfo_rep *info)
{
	enum function_state state = plug_state(info->fn);

	return state == FUNCTION_OFF || state == FUNCTION_PLUGGING ? "0000:00:00.0" :
								     info->fn->pci_addr;
}

doca_error_t doca_devinfo_is_equal_pci_addr(const struct doca_devinfo *devinfo,
					    const char *pci_addr_str, uint8_t *is_equal)
{
	return devinfo ? is_equal_pci_addr(devinfo->pci_addr, pci_addr_str, is_equal) :
			 DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devinfo_rep_is_equal_pci_addr(const struct doca_devinfo_rep *devinfo_rep,
						const char *pci_addr_str, uint8_t *is_equal)
{
	return devinfo_rep ? is_equal_pci_addr(rep_pci_addr(devinfo_rep), pci_addr_str, is_equal) :
			     DOCA_ERROR_INVALID_VALUE;
}

/* Properties */

static doca_error_t give_u8(const void *info, uint8_t value, uint8_t *ret)
{
	if (!info || !ret)
		return DOCA_ERROR_INVALID_VALUE;
	*ret = value;
	return DOCA_SUCCESS;
}

static doca_error_t give_text(const void *info, const char *value, char *ret, size_t size,
			      size_t min_size)
{
	if (!info || !ret || size < min_size || size <= strlen(value))
		return DOCA_ERROR_INVALID_VALUE;
	strcpy(ret, value);
	return DOCA_SUCCESS;
}

/* A property of network devices, which no manager is. */
static doca_error_t give_nothing(const void *info, const void *ret, size_t size, size_t min_size)
{
	return info && ret && size >= min_size ? DOCA_ERROR_NOT_SUPPORTED :
						 DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devinfo_get_pci_addr_str(const struct doca_devinfo *devinfo, char *pci_addr_str)
{
	return give_text(devinfo, devinfo ? devinfo->pci_addr : "", pci_addr_str,
			 DOCA_DEVINFO_PCI_ADDR_SIZE, 0);
}

doca_error_t doca_devinfo_get_ibdev_name(const struct doca_devinfo *devinfo, char *ibdev_name,
					 uint32_t size)
{
	return give_text(devinfo, devinfo ? devinfo->ibdev_name : "", ibdev_name, size,
			 DOCA_DEVINFO_IBDEV_NAME_SIZE);
}

doca_error_t doca_devinfo_get_ipv4_addr(const struct doca_devinfo *devinfo, uint8_t *ipv4_addr,
					uint32_t size)
{
	return give_nothing(devinfo, ipv4_addr, size, DOCA_DEVINFO_IPV4_ADDR_SIZE);
}

doca_error_t doca_devinfo_get_ipv6_addr(const struct doca_devinfo *devinfo, uint8_t *ipv6_addr,
					uint32_t size)
{
	return give_nothing(devinfo, ipv6_addr, size, DOCA_DEVINFO_IPV6_ADDR_SIZE);
}

doca_error_t doca_devinfo_get_mac_addr(const struct doca_devinfo *devinfo, uint8_t *mac_addr,
				       uint32_t size)
{
	return give_nothing(devinfo, mac_addr, size, DOCA_DEVINFO_MAC_ADDR_SIZE);
}

doca_error_t doca_devinfo_get_iface_name(const struct doca_devinfo *devinfo, char *iface_name,
					 uint32_t size)
{
	return give_nothing(devinfo, iface_name, size, DOCA_DEVINFO_IFACE_NAME_SIZE);
}

doca_error_t doca_devinfo_get_lid(const struct doca_devinfo *devinfo, uint16_t *lid)
{
	return give_nothing(devinfo, lid, 0, 0);
}

doca_error_t doca_devinfo_get_active_rate(const struct doca_devinfo *devinfo, uint64_t *active_rate)
{
	return give_nothing(devinfo, active_rate, 0, 0);
}

doca_error_t doca_devinfo_get_sf_index(const struct doca_devinfo *devinfo, uint32_t *sf_index)
{
	return give_nothing(devinfo, sf_index, 0, 0);
}

doca_error_t doca_devinfo_get_vhca_id(const struct doca_devinfo *devinfo, uint16_t *vhca_id)
{
	if (!devinfo || !vhca_id)
		return DOCA_ERROR_INVALID_VALUE;
	*vhca_id = (uint16_t)(devinfo->index << 8);
	return DOCA_SUCCESS;
}

doca_error_t doca_devinfo_get_pci_func_type(const struct doca_devinfo *devinfo,
					    enum doca_pci_func_type *pci_func_type)
{
	if (!devinfo || !pci_func_type)
		return DOCA_ERROR_INVALID_VALUE;
	*pci_func_type = DOCA_PCI_FUNC_TYPE_PF;
	return DOCA_SUCCESS;
}

doca_error_t doca_devinfo_cap_is_hotplug_manager_supported(const struct doca_devinfo *devinfo,
							   uint8_t *is_hotplug_manager)
{
	return give_u8(devinfo, devinfo && devinfo->num_hotplug_ports, is_hotplug_manager);
}

doca_error_t doca_devinfo_cap_is_notification_moderation_supported(
	const struct doca_devinfo *devinfo, uint8_t *is_notification_moderation_supported)
{
	return give_u8(devinfo, 0, is_notification_moderation_supported);
}

doca_error_t doca_devinfo_rep_cap_is_filter_all_supported(const struct doca_devinfo *devinfo,
							  uint8_t *filter_all_supported)
{
	return give_u8(devinfo, 1, filter_all_supported);
}

doca_error_t doca_devinfo_rep_cap_is_filter_net_supported(const struct doca_devinfo *devinfo,
							  uint8_t *filter_net_supported)
{
	return give_u8(devinfo, 0, filter_net_supported);
}

doca_error_t doca_devinfo_rep_cap_is_filter_emulated_supported(const struct doca_devinfo *devinfo,
							       uint8_t *filter_emulated_supported)
{
	return give_u8(devinfo, 1, filter_emulated_supported);
}

doca_error_t doca_devinfo_cap_is_accelerate_resource_reclaim_supported(
	const struct doca_devinfo *devinfo, uint8_t *is_accelerate_resource_reclaim)
{
	return give_u8(devinfo, 0, is_accelerate_resource_reclaim);
}

doca_error_t doca_devinfo_rep_get_vuid(const struct doca_devinfo_rep *devinfo_rep, char *rep_vuid,
				       uint32_t size)
{
	return give_text(devinfo_rep, devinfo_rep ? devinfo_rep->fn->vuid : "", rep_vuid, size, 0);
}

doca_error_t doca_devinfo_rep_get_pci_addr_str(const struct doca_devinfo_rep *devinfo_rep,
					       char *pci_addr_str)
{
	return give_text(devinfo_rep, devinfo_rep ? rep_pci_addr(devinfo_rep) : "", pci_addr_str,
			 DOCA_DEVINFO_REP_PCI_ADDR_SIZE, 0);
}

doca_error_t doca_devinfo_rep_get_pci_func_type(const struct doca_devinfo_rep *devinfo_rep,
						enum doca_pci_func_type *pci_func_type)
{
	if (!devinfo_rep || !pci_func_type)
		return DOCA_ERROR_INVALID_VALUE;
	*pci_func_type = DOCA_PCI_FUNC_TYPE_PF;
	return DOCA_SUCCESS;
}

doca_error_t doca_devinfo_rep_get_is_hotplug(const struct doca_devinfo_rep *devinfo_rep,
					     uint8_t *is_hotplug)
{
	return give_u8(devinfo_rep, devinfo_rep && devinfo_rep->fn->is_hotplug, is_hotplug);
}

doca_error_t doca_devinfo_rep_get_iface_name(const struct doca_devinfo_rep *devinfo_rep,
					     char *iface_name, uint32_t size)
{
	return give_nothing(devinfo_rep, iface_name, size, DOCA_DEVINFO_IFACE_NAME_SIZE);
}

doca_error_t doca_devinfo_rep_get_vhca_id(const struct doca_devinfo_rep *devinfo_rep,
					  uint16_t *vhca_id)
{
	const struct function *fn;

	if (!devinfo_rep || !vhca_id)
		return DOCA_ERROR_INVALID_VALUE;
	fn = devinfo_rep->fn;
	/* The manager has number 0 of its block, see doca_devinfo_get_vhca_id(). */
	*vhca_id = (uint16_t)(fn->manager->index << 8 |
			      (fn->index + (fn->is_hotplug ? VHCA_FIRST_HOTPLUG : 1)));
	return DOCA_SUCCESS;
}

doca_error_t softdpu_rep_get_socket_path(const struct doca_dev_rep *rep, char *path, size_t size)
{
	if (!rep || !rep->info.fn->socket_path[0])
		return DOCA_ERROR_INVALID_VALUE;
	return give_text(rep, rep->info.fn->socket_path, path, size, 0);
}

doca_error_t softdpu_rep_get_transport(const struct doca_dev_rep *rep, char *name, size_t size)
{
	return give_text(rep, rep ? rep->info.fn->transport : "", name, size, 0);
}

doca_error_t softdpu_get_run_dir(char *path, size_t size)
{
	return path && !board_run_dir(path, size) ? DOCA_SUCCESS : DOCA_ERROR_INVALID_VALUE;
}
