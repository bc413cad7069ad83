/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * There is no write() that does not wait if the open file does not say so: no MSG_DONTWAIT for
 * eventfds, and RWF_NOWAIT is for their reads only. Looking at O_NONBLOCK before is no help against
 * somebody who changes it after. But the kernel signals an eventfd itself when asynchronous I/O is
 * complete, and it does not wait then. So the signal is an asynchronous operation that is complete at
 * once, "when can own_fd be written to", about as expensive as the write. Completions pile up in
 * the context and are thrown away before there is no room for more.
 */
#include "core/evsignal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "core/log.h"

SD_LOG_REGISTER(EVSIGNAL);

#define MAX_EVENTS 64

static void take_events(struct evsignal *es)
{
	struct io_event event[MAX_EVENTS];
	struct timespec now = { 0 };

	syscall(SYS_io_getevents, es->ctx, 0L, (long)MAX_EVENTS, event, &now);
	es->nr_events = 0;
}

/* fd -1: nobody is signalled. */
static int submit(struct evsignal *es, int own_fd, int fd)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)own_fd,
		.aio_buf = POLLOUT,
		.aio_flags = fd < 0 ? 0 : IOCB_FLAG_RESFD,
		.aio_resfd = fd < 0 ? 0 : (uint32_t)fd,
	};
	struct iocb *list = &cb;

	if (es->nr_events == MAX_EVENTS)
		take_events(es);
	if (syscall(SYS_io_submit, es->ctx, 1L, &list) != 1)
		return -errno;
	es->nr_events++;
	return 0;
}

/* Kernels before 4.18 cannot poll like that. */
static void open_context(struct evsignal *es, int own_fd)
{
	int rc;

	es->tried = true;
	rc = syscall(SYS_io_setup, (long)MAX_EVENTS, &es->ctx) ? -errno : submit(es, own_fd, -1);
	if (!rc)
		return;
	evsignal_fini(es);
	sd_log_warn("no asynchronous I/O (%s): a host may keep its threads of this process waiting",
		    strerror(-rc));
}

void evsignal_fini(struct evsignal *es)
{
	if (es->ctx)
		syscall(SYS_io_destroy, es->ctx);
	es->ctx = 0;
}

int evsignal(struct evsignal *es, int own_fd, int fd)
{
	static const uint64_t one = 1;

	if (unlikely(!es->tried))
		open_context(es, own_fd);
	if (likely(es->ctx))
		return submit(es, own_fd, fd);
	return write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}
