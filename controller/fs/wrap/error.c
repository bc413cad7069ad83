/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers a share of the requests with EIO instead of passing them on: error=1% or error=100, one
 * in a hundred. Evenly spread and the same in each run. What gives something back (FORGET, RELEASE)
 * is never refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/types.h"
#include "fs/wrap/wrap.h"

/* Shares are fractions of this. */
#define ONE (1ull << 32)

struct error_fs {
	struct fs fs;
	uint64_t share;
};

struct error_thread {
	struct fs_thread ft;
	uint64_t owed; /* grows by share with each request; an error is due at ONE */
};

static int parse_share(const char *text, uint64_t *ret_share)
{
	char *end;
	double v;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	v = strtod(text, &end);
	if (!strcmp(end, "%"))
		v /= 100;
	else if (*end || v < 1)
		return -EINVAL;
	else
		v = 1 / v;
	if (!(v >= 0 && v <= 1))
		return -EINVAL;
	v *= (double)ONE;
	*ret_share = (uint64_t)v;
	*ret_share += (double)*ret_share < v; /* up: three thirds must make a whole */
	return 0;
}

static int error_open(const struct fs_config *cfg, struct fs **ret_fs, char *err)
{
	struct error_fs *e;
	uint64_t share;

	if (parse_share(cfg->arg, &share)) {
		snprintf(err, FS_ERR_LEN, "error '%s' is not a share: "
			 "use 1%% or 100 for one in a hundred", cfg->arg ? cfg->arg : "");
		return -EINVAL;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->fs.ops = &fs_wrap_error;
	e->share = share;
	*ret_fs = &e->fs;
	return 0;
}

static int error_attach(struct fs *fs, struct thr *thr, unsigned int index,
			struct fs_thread **ret_ft)
{
	struct error_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*ret_ft = &t->ft;
	return 0;
}

static void error_detach(struct fs_thread *ft)
{
	free(container_of(ft, struct error_thread, ft));
}

static void error_op(struct fs_req *req)
{
	struct error_thread *t = container_of(req->ft, struct error_thread, ft);

	if (!wrap_op_gives_back(req->in->opcode)) {
		t->owed += container_of(req->ft->fs, struct error_fs, fs)->share;
		if (t->owed >= ONE) {
			t->owed -= ONE;
			fs_req_done(req, -EIO);
			return;
		}
	}
	fs_submit_lower(req, NULL, 0);
}

const struct fs_ops fs_wrap_error = {
	.name = "error",
	.open = error_open,
	.close = wrap_close_plain,
	.attach = error_attach,
	.detach = error_detach,
	.op = { [1 ... FS_OP_LIMIT - 1] = error_op },
};
