/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation
 *
 * The device and each mmap made from it count on one object, which holds the current snapshot of
 * guest memory under a lock. A copy takes the snapshot, translates piece by piece, and gives it
 * back: memory that is unmapped meanwhile stays where it is until then (virtio/gmem.h).
 */
#include "devemu/pci_host.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/mmap.h"
#include "devemu/vdev.h"

struct pci_host {
	struct mmap_host base;
	unsigned int refs; /* atomic */
	pthread_mutex_t lock;
	struct gmem *gm; /* lock; NULL: none */
};

static void *host_take(struct mmap_host *base)
{
	struct pci_host *host = container_of(base, struct pci_host, base);
	struct gmem *gm;

	pthread_mutex_lock(&host->lock);
	gm = host->gm ? gm_get(host->gm) : NULL;
	pthread_mutex_unlock(&host->lock);
	return gm;
}

static void *host_translate(void *memory, uint64_t addr, size_t len, bool write, size_t *ret_len)
{
	unsigned int hint = 0;
	uint64_t have = 0;
	void *p = memory ? gm_translate(memory, addr, len, write, &hint, &have) : NULL;

	*ret_len = have;
	return p;
}

static void host_give_back(void *memory)
{
	gm_put(memory);
}

static void host_put(struct mmap_host *base)
{
	struct pci_host *host = container_of(base, struct pci_host, base);

	if (__atomic_fetch_sub(&host->refs, 1, __ATOMIC_ACQ_REL) != 1)
		return;
	gm_put(host->gm);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

static const struct mmap_host_ops host_ops = {
	.take = host_take,
	.translate = host_translate,
	.give_back = host_give_back,
	.put = host_put,
};

static struct pci_host *host_create(struct gmem *gm)
{
	struct pci_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->base.ops = &host_ops;
	host->refs = 1;
	host->gm = gm ? gm_get(gm) : NULL;
	pthread_mutex_init(&host->lock, NULL);
	return host;
}

void pci_host_set_memory(struct doca_devemu_pci_dev *pci, struct gmem *gm)
{
	struct pci_host *host = pci->host;
	struct gmem *old = pci->host_gm;

	pci->host_gm = gm ? gm_get(gm) : NULL;
	gm_put(old);
	if (!host)
		return;
	pthread_mutex_lock(&host->lock);
	old = host->gm;
	host->gm = gm ? gm_get(gm) : NULL;
	pthread_mutex_unlock(&host->lock);
	gm_put(old);
}

void pci_host_drop(struct doca_devemu_pci_dev *pci)
{
	pci_host_set_memory(pci, NULL);
	if (pci->host)
		host_put(&pci->host->base);
	pci->host = NULL;
}

doca_error_t doca_devemu_pci_mmap_create(struct doca_devemu_pci_dev *pci_dev,
					 struct doca_mmap **mmap)
{
	doca_error_t err;

	if (!pci_dev || !mmap)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	if (!pci_dev->host)
		pci_dev->host = host_create(pci_dev->host_gm);
	if (!pci_dev->host)
		return DOCA_ERROR_NO_MEMORY;
	__atomic_fetch_add(&pci_dev->host->refs, 1, __ATOMIC_RELAXED);
	err = mmap_create_host(&pci_dev->host->base, mmap);
	if (err != DOCA_SUCCESS)
		host_put(&pci_dev->host->base);
	return err;
}
