/* SPDX-License-Identifier: BSD-3-Clause */
#include "opening.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct opening {
	pthread_t tid;
	const struct fs_config *cfg;
	sem_t done;
	/* the thread's until then */
	int rc;
	struct fs *fs;
	char err[FS_ERR_LEN];
};

static void *open_it(void *arg)
{
	struct opening *o = arg;

	o->rc = fs_open(o->cfg, &o->fs, o->err);
	sem_post(&o->done);
	return NULL;
}

int opening_start(const struct fs_config *cfg, struct opening **ret)
{
	struct opening *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return -ENOMEM;
	o->cfg = cfg;
	sem_init(&o->done, 0, 0);
	rc = -pthread_create(&o->tid, NULL, open_it, o);
	if (!rc) {
		*ret = o;
		return 0;
	}
	sem_destroy(&o->done);
	free(o);
	return rc;
}

bool opening_take(struct opening *o, uint64_t deadline_ns, int *ret_rc, struct fs **ret_fs, char *err)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000u),
					.tv_nsec = (long)(deadline_ns % 1000000000u) };

	while (sem_clockwait(&o->done, CLOCK_MONOTONIC, &until))
		if (errno != EINTR)
			return false;
	pthread_join(o->tid, NULL);
	*ret_rc = o->rc;
	*ret_fs = o->fs;
	memcpy(err, o->err, sizeof(o->err));
	sem_destroy(&o->done);
	free(o);
	return true;
}
