/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller in the first form of the API (2.7): raw requests through one handler, user data size
 * per device.
 */
#include <doca_buf.h>
#include <doca_devemu_vfs_io.h>
#include <doca_log.h>

#include "flow.h"

DOCA_LOG_REGISTER(FLOW::GENERIC);

struct request_data {
	uint64_t id;
	struct doca_buf *in, *out;
};

static void on_request(struct doca_devemu_vfs_req *req, void *req_user_data,
		       union doca_data event_user_data)
{
	struct request_data *data = req_user_data;
	struct doca_buf *element = doca_devemu_vfs_req_get_datain(req);
	uint16_t domain = doca_devemu_vfs_req_get_src_domain_id(req);
	size_t bytes = 0, len;

	data->in = element;
	data->out = doca_devemu_vfs_req_get_dataout(req);
	data->id = doca_devemu_vfs_req_get_id(req);
	while (element && doca_buf_get_data_len(element, &len) == DOCA_SUCCESS) {
		bytes += len;
		if (doca_buf_get_next_in_list(element, &element) != DOCA_SUCCESS)
			break;
	}
	DOCA_LOG_DBG("domain %u: %zu of %u bytes in %u pieces, room for %u in %u", domain, bytes,
		     doca_devemu_vfs_req_get_datain_data_len(req),
		     doca_devemu_vfs_req_get_datain_list_len(req),
		     doca_devemu_vfs_req_get_dataout_data_len(req),
		     doca_devemu_vfs_req_get_dataout_list_len(req));
	(void)event_user_data;
	doca_devemu_vfs_req_complete(req, 0);
}

static doca_error_t register_handler(struct doca_devemu_vfs_io *io)
{
	union doca_data cookie = {.ptr = io};

	return doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_request, cookie);
}

int main(void)
{
	static const struct flow flow = {
		.register_handlers = register_handler,
		.user_data_size = sizeof(struct request_data),
	};

	return flow_run(&flow) != DOCA_SUCCESS;
}
