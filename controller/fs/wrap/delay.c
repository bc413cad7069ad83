/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds every request back for a while before the file system sees it: delay=2, delay=2ms,
 * delay=500us, delay=1s. Order is kept, since all wait equally long; there is one queue per thread.
 * Times below a millisecond are kept while the thread is busy; it sleeps in whole ones.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "fs/types.h"
#include "fs/wrap/wrap.h"

#define MAX_DELAY_NS (60 * 1000000000ull)

struct delay_fs {
	struct fs fs;
	uint64_t ns;
};

/* In the request's context, which nobody else needs yet. */
struct held {
	STAILQ_ENTRY(held) link;
	struct fs_req *req;
	uint64_t due_ns;
};

struct delay_thread {
	struct fs_thread ft;
	STAILQ_HEAD(, held) queue;
};

static int parse_time(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = { { "", 1000000 }, { "ms", 1000000 }, { "us", 1000 }, { "s", 1000000000 } };
	unsigned long long n;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	for (size_t i = 0; !errno && i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].unit) && n <= MAX_DELAY_NS / units[i].ns) {
			*ret_ns = n * units[i].ns;
			return 0;
		}
	return -EINVAL;
}

static int delay_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	struct delay_fs *d;
	uint64_t ns;

	if (parse_time(cfg->arg, &ns)) {
		snprintf(err, FS_ERR_LEN, "delay '%s' is not a time: "
			 "use 2ms, 500us or 1s, at most 60s", cfg->arg ? cfg->arg : "");
		return -EINVAL;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->fs.ops = &fs_wrap_delay;
	d->ns = ns;
	*ret_fs = &d->fs;
	return 0;
}

static int delay_attach(struct fs *fs, struct thr *thr, unsigned int index,
			struct fs_thread **ret_ft)
{
	struct delay_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	STAILQ_INIT(&t->queue);
	*ret_ft = &t->ft;
	return 0;
}

static void delay_detach(struct fs_thread *ft)
{
	free(container_of(ft, struct delay_thread, ft));
}

static void delay_op(struct fs_req *req)
{
	struct delay_thread *t = container_of(req->ft, struct delay_thread, ft);
	struct held *h = req->ctx;

	h->req = req;
	h->due_ns = clock_ns() + container_of(req->ft->fs, struct delay_fs, fs)->ns;
	STAILQ_INSERT_TAIL(&t->queue, h, link);
}

static int delay_poll(struct fs_thread *ft)
{
	struct delay_thread *t = container_of(ft, struct delay_thread, ft);
	struct held *h = STAILQ_FIRST(&t->queue);
	uint64_t now = h ? clock_ns() : 0;
	int n = 0;

	for (; h && h->due_ns <= now; h = STAILQ_FIRST(&t->queue)) {
		STAILQ_REMOVE_HEAD(&t->queue, link);
		fs_submit_lower(h->req, NULL, 0);
		n++;
	}
	return n;
}

static int delay_timeout_ms(struct fs_thread *ft)
{
	const struct held *h = STAILQ_FIRST(&container_of(ft, struct delay_thread, ft)->queue);
	uint64_t now = clock_ns();

	if (!h)
		return -1;
	return h->due_ns <= now ? 0 : (int)((h->due_ns - now + 999999) / 1000000);
}

const struct fs_ops fs_wrap_delay = {
	.name = "delay",
	.req_ctx_size = sizeof(struct held),
	.open = delay_open,
	.close = wrap_close_plain,
	.attach = delay_attach,
	.detach = delay_detach,
	.poll = delay_poll,
	.timeout_ms = delay_timeout_ms,
	.op = { [1 ... FS_OP_LIMIT - 1] = delay_op },
};
