/* SPDX-License-Identifier: BSD-3-Clause */
/* libnfs takes no locks: nobody calls back, nothing is left behind. */
#include <errno.h>

#include "nlm_listen.h"
#include "nsm.h"

int nlm_listen_add(struct nlm_peer *peer)
{
	return -EOPNOTSUPP;
}

void nlm_listen_remove(struct nlm_peer *peer)
{
}

int nlm_listen_fd(void)
{
	return -1;
}

void nlm_listen_poll(void)
{
}

void nlm_listen_restarted(const struct nlm_peer *peer)
{
}

int nsm_open(const char *dir, const char *server, struct nsm **ret, char *err)
{
	*ret = NULL;
	return 0;
}

void nsm_close(struct nsm *nsm)
{
}

uint32_t nsm_state(const struct nsm *nsm)
{
	return 1;
}

bool nsm_must_free(const struct nsm *nsm)
{
	return false;
}

void nsm_note(struct nsm *nsm, bool locks)
{
}

struct nsm_notify *nsm_notify_start(const char *address, uint32_t state)
{
	return NULL;
}

bool nsm_notify_take(struct nsm_notify **n)
{
	return true;
}

void nsm_notify_drop(struct nsm_notify *n)
{
}
