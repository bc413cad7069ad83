/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <doca_ctx.h>
#include <doca_dev.h>
#include <doca_devemu_pci.h>
#include <doca_devemu_vfs_io.h>
#include <doca_devemu_vfs_type.h>
#include <doca_devemu_virtio.h>
#include <doca_devemu_virtio_type.h>
#include <doca_log.h>
#include <doca_pe.h>

#define NB_IO 4

DOCA_LOG_REGISTER(FLOW);

struct controller {
	const struct flow *flow;
	struct doca_dev *dev;
	struct doca_dev_rep *rep;
	struct doca_devemu_vfs_type *type;
	struct doca_devemu_vfs_dev *vfs;
	struct doca_pe *pe[NB_IO];
	struct doca_devemu_vfs_io *io[NB_IO];
	enum doca_ctx_states state;
	char history[64]; /* transitions of the device, as "01 12 " */
	uint32_t running_ios;
	bool reset_pending;
};

/* A check of the test: says where it failed, once. */
static doca_error_t expect(bool ok, const char *what)
{
	if (ok)
		return DOCA_SUCCESS;
	DOCA_LOG_ERR("not so: %s", what);
	return DOCA_ERROR_UNEXPECTED;
}

#define EXPECT(condition) DOCA_ERROR_PROPAGATE(result, expect((condition), #condition))

static void on_device_state(const union doca_data user_data, struct doca_ctx *ctx,
			    enum doca_ctx_states prev_state, enum doca_ctx_states next_state)
{
	struct controller *c = user_data.ptr;
	size_t len;

	(void)ctx;
	len = strlen(c->history);
	snprintf(c->history + len, sizeof(c->history) - len, "%d%d ", prev_state, next_state);
	c->state = next_state;
}

static void on_io_state(const union doca_data user_data, struct doca_ctx *ctx,
			enum doca_ctx_states prev_state, enum doca_ctx_states next_state)
{
	struct controller *c = user_data.ptr;

	(void)ctx;
	if (next_state == DOCA_CTX_STATE_RUNNING)
		c->running_ios++;
	else if (prev_state == DOCA_CTX_STATE_STOPPING)
		c->running_ios--;
}

static void on_reset(struct doca_devemu_virtio_dev *virtio_dev, union doca_data event_user_data)
{
	((struct controller *)event_user_data.ptr)->reset_pending = true;
	if (doca_devemu_virtio_dev_reset_complete(virtio_dev) != DOCA_SUCCESS)
		DOCA_LOG_WARN("reset");
}

static void on_flr(struct doca_devemu_pci_dev *pci_dev, union doca_data user_data)
{
	uint8_t flr = 0;

	(void)doca_devemu_pci_dev_is_flr(pci_dev, &flr);
	((struct controller *)user_data.ptr)->reset_pending |= flr;
}

/* The first manager that supports the type; its list is freed here. */
static doca_error_t open_manager(struct controller *c)
{
	struct doca_devinfo **list;
	doca_error_t result;
	uint32_t nb;

	result = doca_devinfo_create_list(&list, &nb);
	if (result != DOCA_SUCCESS)
		return result;
	result = DOCA_ERROR_NOT_FOUND;
	for (uint32_t i = 0; i < nb && !c->dev; i++) {
		char name[DOCA_DEVINFO_IBDEV_NAME_SIZE];
		uint8_t supported = 0;

		if (doca_devemu_vfs_is_default_vfs_type_supported(list[i], &supported) ||
		    !supported || doca_devinfo_get_ibdev_name(list[i], name, sizeof(name)))
			continue;
		result = doca_dev_open(list[i], &c->dev);
	}
	doca_devinfo_destroy_list(list);
	return result;
}

static doca_error_t open_function(struct controller *c)
{
	struct doca_devemu_pci_type *pci_type;
	struct doca_devinfo_rep **list;
	doca_error_t result;
	uint32_t nb;

	result = doca_devemu_vfs_find_default_vfs_type_by_dev(c->dev, &c->type);
	if (result != DOCA_SUCCESS)
		return result;
	pci_type = doca_devemu_vfs_type_as_pci_type(c->type);
	result = doca_devemu_pci_type_rep_list_create(pci_type, &list, &nb);
	if (result != DOCA_SUCCESS)
		return result;
	result = nb ? doca_dev_rep_open(list[0], &c->rep) : DOCA_ERROR_NOT_FOUND;
	doca_devinfo_rep_destroy_list(list);
	return result;
}

static doca_error_t configure_device(struct controller *c)
{
	struct doca_devemu_virtio_dev *virtio = doca_devemu_vfs_dev_as_virtio_dev(c->vfs);
	struct doca_devemu_pci_dev *pci = doca_devemu_vfs_dev_as_pci_dev(c->vfs);
	struct doca_ctx *ctx = doca_devemu_vfs_dev_as_ctx(c->vfs);
	char tag[DOCA_VFS_TAG_SIZE] = "docavirtiofs";
	union doca_data cookie = {.ptr = c};
	doca_error_t result = DOCA_SUCCESS;
	uint32_t queues = 1;

	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_type_get_num_request_queues(c->type, &queues));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_dev_set_tag(c->vfs, tag));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_dev_set_num_request_queues(c->vfs, queues));
	if (c->flow->user_data_size)
		DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_dev_set_vfs_req_user_data_size(
						     c->vfs, c->flow->user_data_size));
	DOCA_ERROR_PROPAGATE(result,
			     doca_devemu_virtio_dev_set_num_queues(virtio, (uint16_t)(queues + 1)));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_virtio_dev_set_queue_size(virtio, 256));
	DOCA_ERROR_PROPAGATE(result,
			     doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(
				     virtio, NB_IO));
	DOCA_ERROR_PROPAGATE(result,
			     doca_devemu_virtio_dev_event_reset_register(virtio, on_reset, cookie));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_pci_dev_event_flr_register(pci, on_flr, cookie));
	DOCA_ERROR_PROPAGATE(result, doca_ctx_set_user_data(ctx, cookie));
	DOCA_ERROR_PROPAGATE(result, doca_ctx_set_state_changed_cb(ctx, on_device_state));
	return result;
}

static doca_error_t start_io(struct controller *c, int i)
{
	union doca_data cookie = {.ptr = c};
	doca_error_t result;
	struct doca_ctx *ctx;

	result = doca_devemu_vfs_io_create(c->vfs, c->pe[i], &c->io[i]);
	if (result != DOCA_SUCCESS)
		return result;
	ctx = doca_devemu_vfs_io_as_ctx(c->io[i]);
	DOCA_ERROR_PROPAGATE(result, doca_ctx_set_user_data(ctx, cookie));
	DOCA_ERROR_PROPAGATE(result, doca_ctx_set_state_changed_cb(ctx, on_io_state));
	DOCA_ERROR_PROPAGATE(result, c->flow->register_handlers(c->io[i]));
	DOCA_ERROR_PROPAGATE(result, doca_ctx_start(ctx));
	return result == DOCA_ERROR_IN_PROGRESS ? DOCA_SUCCESS : result;
}

static void progress_until(struct controller *c, enum doca_ctx_states state)
{
	while (c->state != state)
		for (int i = 0; i < NB_IO; i++)
			(void)doca_pe_progress(c->pe[i]);
}

static doca_error_t init(struct controller *c)
{
	doca_error_t result = DOCA_SUCCESS;

	for (int i = 0; i < NB_IO; i++)
		DOCA_ERROR_PROPAGATE(result, doca_pe_create(&c->pe[i]));
	DOCA_ERROR_PROPAGATE(result, open_manager(c));
	DOCA_ERROR_PROPAGATE(result, open_function(c));
	DOCA_ERROR_PROPAGATE(result,
			     doca_devemu_vfs_dev_create(c->type, c->rep, c->pe[0], &c->vfs));
	DOCA_ERROR_PROPAGATE(result, configure_device(c));
	DOCA_ERROR_PROPAGATE(result, doca_ctx_start(doca_devemu_vfs_dev_as_ctx(c->vfs)));
	if (result != DOCA_ERROR_IN_PROGRESS)
		return DOCA_IS_ERROR(result) ? result : DOCA_ERROR_UNEXPECTED;
	result = DOCA_SUCCESS;
	for (int i = 0; i < NB_IO; i++) {
		EXPECT(c->state == DOCA_CTX_STATE_STARTING);
		DOCA_ERROR_PROPAGATE(result, start_io(c, i));
	}
	if (result == DOCA_SUCCESS)
		progress_until(c, DOCA_CTX_STATE_RUNNING);
	EXPECT(c->running_ios == NB_IO);
	return result;
}

static doca_error_t stop_all(struct controller *c)
{
	doca_error_t result = DOCA_SUCCESS;

	EXPECT(doca_ctx_stop(doca_devemu_vfs_dev_as_ctx(c->vfs)) == DOCA_ERROR_IN_PROGRESS);
	EXPECT(c->state == DOCA_CTX_STATE_STOPPING);
	EXPECT(doca_devemu_vfs_dev_destroy(c->vfs) == DOCA_ERROR_BAD_STATE);
	for (int i = 0; i < NB_IO; i++) {
		EXPECT(doca_ctx_stop(doca_devemu_vfs_io_as_ctx(c->io[i])) ==
		       DOCA_ERROR_IN_PROGRESS);
		EXPECT(doca_devemu_vfs_io_destroy(c->io[i]) == DOCA_ERROR_BAD_STATE);
	}
	EXPECT(c->running_ios == NB_IO);
	return result;
}

static doca_error_t teardown(struct controller *c)
{
	doca_error_t result = stop_all(c);

	if (result != DOCA_SUCCESS)
		return result;
	while (c->running_ios)
		for (int i = 0; i < NB_IO; i++)
			(void)doca_pe_progress(c->pe[i]);
	for (int i = 0; i < NB_IO; i++)
		DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_io_destroy(c->io[i]));
	progress_until(c, DOCA_CTX_STATE_IDLE);
	EXPECT(!strcmp(c->history, "01 12 23 30 "));
	EXPECT(doca_pe_destroy(c->pe[0]) == DOCA_ERROR_IN_USE);
	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_dev_destroy(c->vfs));
	DOCA_ERROR_PROPAGATE(result, doca_dev_rep_close(c->rep));
	for (int i = 0; i < NB_IO; i++)
		DOCA_ERROR_PROPAGATE(result, doca_pe_destroy(c->pe[i]));
	DOCA_ERROR_PROPAGATE(result, doca_dev_close(c->dev));
	return result;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

doca_error_t flow_run(const struct flow *flow)
{
	struct controller c = {.flow = flow};
	char dir[] = "/tmp/flow-XXXXXX";
	doca_error_t result = doca_log_backend_create_standard();

	if (!mkdtemp(dir) || setenv("XDG_RUNTIME_DIR", dir, 1))
		return DOCA_ERROR_OPERATING_SYSTEM;
	DOCA_ERROR_PROPAGATE(result, init(&c));
	DOCA_ERROR_PROPAGATE(result, teardown(&c));
	if (result != DOCA_SUCCESS)
		DOCA_LOG_ERR("%s: %s", doca_error_get_name(result), doca_error_get_descr(result));
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return result;
}
