/* SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <doca_devemu_vfs_type.h>
#include <doca_log.h>

volatile sig_atomic_t stopping;

void must(doca_error_t result, const char *call)
{
	if (result == DOCA_SUCCESS || result == DOCA_ERROR_IN_PROGRESS)
		return;
	fprintf(stderr, "%s: %s (%s)\n", call, doca_error_get_name(result),
		doca_error_get_descr(result));
	exit(EXIT_FAILURE);
}

static int is_wanted(const struct doca_devinfo *info, const char *name)
{
	char own[DOCA_DEVINFO_IBDEV_NAME_SIZE];
	uint8_t supported;

	if (name)
		return doca_devinfo_get_ibdev_name(info, own, sizeof(own)) == DOCA_SUCCESS &&
		       !strcmp(own, name);
	return doca_devemu_vfs_is_default_vfs_type_supported(info, &supported) == DOCA_SUCCESS &&
	       supported;
}

struct doca_dev *open_manager(const char *name)
{
	struct doca_devinfo **list;
	struct doca_dev *dev = NULL;
	uint32_t i, count;

	MUST(doca_devinfo_create_list(&list, &count));
	for (i = 0; i < count && !dev; i++)
		if (is_wanted(list[i], name))
			MUST(doca_dev_open(list[i], &dev));
	MUST(doca_devinfo_destroy_list(list));
	if (dev)
		return dev;
	fprintf(stderr, "there is no emulation manager %s\n", name ? name : "for virtio-fs");
	exit(EXIT_FAILURE);
}

static int is_function(struct doca_devinfo_rep *info, const char *vuid)
{
	char own[DOCA_DEVINFO_REP_VUID_SIZE];
	uint8_t is_hotplug;

	MUST(doca_devinfo_rep_get_vuid(info, own, sizeof(own)));
	MUST(doca_devinfo_rep_get_is_hotplug(info, &is_hotplug));
	return vuid ? !strcmp(own, vuid) : !is_hotplug;
}

struct doca_dev_rep *open_function(struct doca_devemu_pci_type *type, const char *vuid)
{
	struct doca_devinfo_rep **list;
	struct doca_dev_rep *rep = NULL;
	uint32_t i, count;

	MUST(doca_devemu_pci_type_create_rep_list(type, &list, &count));
	for (i = 0; i < count && !rep; i++)
		if (is_function(list[i], vuid))
			MUST(doca_dev_rep_open(list[i], &rep));
	MUST(doca_devinfo_rep_destroy_list(list));
	if (rep)
		return rep;
	fprintf(stderr, "there is no function %s\n", vuid ? vuid : "of this type");
	exit(EXIT_FAILURE);
}

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

void begin(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	MUST(doca_log_backend_create_standard());
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Arm, then look once more: what came in between is not lost, it makes the handle readable. */
void progress_or_sleep(struct doca_pe *pe)
{
	struct pollfd handle = {.events = POLLIN};

	if (doca_pe_progress(pe))
		return;
	MUST(doca_pe_get_notification_handle(pe, &handle.fd));
	MUST(doca_pe_request_notification(pe));
	poll(&handle, 1, 100);
	MUST(doca_pe_clear_notification(pe, handle.fd));
}

void progress_until_state(struct doca_pe *pe, struct doca_ctx *ctx, enum doca_ctx_states state)
{
	enum doca_ctx_states now;

	MUST(doca_ctx_get_state(ctx, &now));
	while (now != state) {
		progress_or_sleep(pe);
		MUST(doca_ctx_get_state(ctx, &now));
	}
}
