/* SPDX-License-Identifier: BSD-3-Clause */
/* doca_task inside the library: the head of every task, and what its type does with it. */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include <stdbool.h>

#include "core/ctx.h"
#include "doca_pe.h"

struct task_ops {
	/* Takes ownership and queues; completion callbacks run from progress, never from here. */
	doca_error_t (*submit)(struct doca_task *task, uint32_t flags);
	doca_error_t (*validate)(const struct doca_task *task); /* for try_submit */
	void (*free)(struct doca_task *task);
};

struct doca_task {
	const struct task_ops *ops;
	struct doca_ctx *ctx;
	union doca_data user_data;
	doca_error_t status;
	bool submitted;
};

#endif
