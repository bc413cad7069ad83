/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device on the loop transport with its engines and I/O contexts, and a guest that speaks FUSE
 * to it: what the tests of the whole line have in common. One thread by default: rig_idle() lets
 * every engine progress. With rig.threads engines 0..nr_pes-1 have a thread each and rig_idle()
 * yields.
 */
#ifndef TESTS_LOOP_RIG_H
#define TESTS_LOOP_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doca_devemu_vfs.h"
#include "doca_devemu_vfs_io.h"
#include "doca_devemu_vfs_type.h"
#include "doca_pe.h"
#include "softdpu_ext.h"
#include "transport/loop/loop.h"

#define RIG_MAX_PES 4
#define OK(call) assert_int_equal(call, DOCA_SUCCESS)
#define ERR(code, call) assert_int_equal(call, DOCA_ERROR_##code)

struct rig_change { /* one state notification */
	enum doca_ctx_states prev, next;
};

struct rig_io {
	struct rig *rig;
	unsigned int index;
	struct doca_devemu_vfs_io *io;
	struct doca_ctx *ctx;
	struct rig_change change[16];
	unsigned int nr_changes;
};

struct rig {
	/* settings, before rig_start() */
	unsigned int nr_pes; /* contexts = engines; the device is on engine 0 */
	unsigned int required; /* running contexts the device waits for */
	unsigned int nr_request_queues;
	uint32_t user_size;
	bool threads;
	void (*register_handlers)(struct doca_devemu_vfs_io *io);
	void (*on_reset)(struct rig *rig);
	void (*on_flr)(struct rig *rig);

	struct doca_pe *pe[RIG_MAX_PES];
	pthread_t thread[RIG_MAX_PES];
	int stop_threads; /* atomic */
	struct rig_job *job[RIG_MAX_PES]; /* atomic: to be run by the thread */
	struct doca_dev *mgr;
	struct doca_dev_rep *rep;
	char vuid[128];
	struct doca_devemu_vfs_dev *dev;
	struct doca_ctx *dev_ctx;
	struct rig_change change[32];
	unsigned int nr_changes;
	struct rig_io io[RIG_MAX_PES];
	struct loop_driver drv;
	bool guest;
	uint64_t unique;
};

/* Discovers and opens everything up to an idle device with its settings. */
void rig_open_device(struct rig *rig);
void rig_create_io(struct rig *rig, unsigned int i);
/* Device and contexts RUNNING. */
void rig_start(struct rig *rig);
/* A guest with all queues of the device set up. */
void rig_guest(struct rig *rig);
/*
 * rig->threads: runs fn(arg) on the thread of engine i, between two of its progress calls, and
 * waits.
 */
void rig_run_on(struct rig *rig, unsigned int i, void (*fn)(void *arg), void *arg);
/* Guest gone, contexts and device stopped and destroyed, engines too: each step is asserted. */
void rig_stop(struct rig *rig);

void rig_idle(void *rig);
/* Progresses until cond, for at most ten seconds; fails the test otherwise. */
#define rig_until(rig, cond) \
	do { \
		uint64_t _end = rig_now() + 10000000000ull; \
		while (!(cond)) { \
			assert_true(rig_now() < _end); \
			rig_idle(rig); \
		} \
	} while (0)
/* Progresses for a while: what was not to happen would have. */
void rig_settle(struct rig *rig);
uint64_t rig_now(void);
enum doca_ctx_states rig_state(struct doca_ctx *ctx);

/* ---- the guest ---- */

struct rig_msg {
	struct fuse_in_header *in; /* argument and data behind it */
	struct fuse_out_header *out; /* reply behind it */
	uint32_t out_cap;
	bool done;
	uint32_t len; /* used.len */
};

/*
 * Sends a message: argument and data are copied behind the header, each its own segment; out_len
 * bytes of writable room, split at out_split (0: one segment; else header+fixed and data).
 */
struct rig_msg *rig_send(struct rig *rig, uint16_t q, uint32_t opcode, const void *arg,
			 uint32_t arg_len, const void *data, uint32_t data_len, uint32_t out_len,
			 uint32_t out_split);
/* Collects used entries into done messages. */
void rig_poll(struct rig *rig);
void rig_wait(struct rig *rig, struct rig_msg *msg);
/* Sends and waits. */
struct rig_msg *rig_call(struct rig *rig, uint16_t q, uint32_t opcode, const void *arg,
			 uint32_t arg_len, const void *data, uint32_t data_len, uint32_t out_len);
/* FUSE_INIT with the given minor. */
struct rig_msg *rig_init(struct rig *rig, uint32_t minor, uint32_t flags);

#endif
