/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a controller with four I/O contexts, call by call as the guides of the API tell it:
 * discovery, configuration, start, teardown. Only the handlers differ between the forms of the API.
 * The programs include public headers only, as any controller would.
 */
#ifndef FLOW_H
#define FLOW_H

#include <doca_devemu_vfs.h>
#include <doca_types.h>

struct flow {
	/* Registers the handlers of one I/O context that is IDLE. */
	doca_error_t (*register_handlers)(struct doca_devemu_vfs_io *io);
	uint32_t user_data_size; /* per device; 0 leaves it alone */
};

/*
 * Brings a device up and takes it down again, in a runtime directory of its own, and checks what is
 * promised about states on the way. A failed check has been printed.
 */
doca_error_t flow_run(const struct flow *flow);

#endif
