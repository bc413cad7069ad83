/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of hot-plug functions beyond the process that made them: one small file each in
 * the state directory, $SOFTDPU_STATE_DIR or "state" beside the default sockets
 * (board_run_dir()). It lasts as long as that directory does: until the machine restarts, which
 * is what a power cycle is to a card.
 *
 * Any thread. Errors: 0 or -errno; what a caller cannot know is logged.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dev.h"

struct state_record {
	unsigned int port;
	uint64_t birth;
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	char type[FUNCTION_TYPE_LEN];
	char transport[FUNCTION_TRANSPORT_LEN];
	char socket_path[FUNCTION_SOCKET_LEN];
	bool doorbell_mapped;
	enum function_state state;
};

/*
 * The lock of the whole directory, held by who adds or removes records; makes the directory when
 * it is missing. -EAGAIN: somebody has held it for seconds.
 */
int state_lock(int *ret_fd);
void state_unlock(int fd);

/* -ENOENT: the port is free. -EBADMSG: there is a record, and it is refused. */
int state_read(const struct doca_devinfo *info, unsigned int port, struct state_record *ret);
/* Replaces the record in one step. */
int state_write(const struct doca_devinfo *info, const struct state_record *rec);
/* With its owner's lock. */
int state_remove(const struct doca_devinfo *info, unsigned int port);

/* The right to serve the function of a port, until *ret_fd is closed. -EBUSY: another has it. */
int state_own(const struct doca_devinfo *info, unsigned int port, int *ret_fd);

/*
 * A type of this name is in use, until it is given back with its descriptor, or the process ends.
 * Processes share it if they mean the same by it, which digest says. -EEXIST: another process means
 * something else.
 */
int state_share_type(const struct doca_devinfo *info, const char *name, uint64_t digest,
		     int *ret_fd);
void state_unshare_type(const struct doca_devinfo *info, const char *name, int fd);

/* "POWER_OFF", "UNPLUG_IN_PROGRESS", "PLUG_IN_PROGRESS", "POWER_ON". */
const char *function_state_name(enum function_state state);

#endif
