/* SPDX-License-Identifier: BSD-3-Clause */
#include "devtab.h"

#include <errno.h>
#include <signal.h>

#include "doca_log.h"

DOCA_LOG_REGISTER(VIRTIOFS::DEVTAB);

/* Which static function a configured device gets that does not name one. */
static int static_index(const struct devtab *tab, unsigned int slot, unsigned int *ret)
{
	const struct conf_device *conf = &tab->conf->device[slot];
	unsigned int n = 0;

	if (!conf->vuid && slot >= tab->conf->nr_devices) {
		DOCA_LOG_ERR("%s has no function yet: it needs a \"vuid\"", conf->name);
		return -ENODEV;
	}
	for (unsigned int i = 0; i < slot; i++)
		n += tab->conf->device[i].name && !tab->conf->device[i].vuid;
	*ret = n;
	return 0;
}

/* Once a device can be seen from outside, signals wait: the main thread ends it in order. */
int devtab_start(struct devtab *tab, unsigned int slot, void (*let_signals)(bool in))
{
	struct devtab_entry *e = &tab->entry[slot];
	unsigned int index;
	struct device *dev;
	int rc = static_index(tab, slot, &index);

	if (rc)
		return rc;
	let_signals(true);
	rc = device_open(&tab->conf->device[slot], index, NULL, tab->threads, &dev);
	let_signals(false);
	return rc ? rc : device_start(dev, &e->dev);
}

int devtab_begin(struct devtab *tab, unsigned int slot)
{
	struct devtab_entry *e = &tab->entry[slot];
	int rc = static_index(tab, slot, &e->index);

	return rc ? rc : opening_start(&tab->conf->device[slot].fs, &e->opening);
}

bool devtab_begun(struct devtab *tab, unsigned int slot, uint64_t deadline_ns, int *ret_rc)
{
	const struct conf_device *conf = &tab->conf->device[slot];
	struct devtab_entry *e = &tab->entry[slot];
	char err[FS_ERR_LEN];
	struct device *dev;
	struct fs *fs;
	int rc;

	if (!opening_take(e->opening, deadline_ns, &rc, &fs, err))
		return false;
	e->opening = NULL;
	if (rc)
		device_say_not_open(conf, rc, err);
	else
		rc = device_open(conf, e->index, fs, tab->threads, &dev);
	*ret_rc = rc ? rc : device_start(dev, &e->dev);
	return true;
}

void devtab_stop(struct devtab *tab, unsigned int slot)
{
	struct devtab_entry *e = &tab->entry[slot];

	if (!e->dev || e->stopping)
		return;
	e->stopping = true;
	device_stop(e->dev);
}

static int finish_opening(struct devtab_entry *e, uint64_t deadline_ns)
{
	struct fs *fs = NULL;
	char err[FS_ERR_LEN];
	int rc;

	if (!e->opening)
		return 0;
	if (!opening_take(e->opening, deadline_ns, &rc, &fs, err))
		return -ETIMEDOUT;
	e->opening = NULL;
	fs_close(fs);
	return 0;
}

int devtab_finish(struct devtab *tab, unsigned int slot, uint64_t deadline_ns)
{
	struct devtab_entry *e = &tab->entry[slot];
	struct device *dev = e->dev;
	int rc = dev ? device_wait(dev, deadline_ns) : finish_opening(e, deadline_ns);
	sigset_t all, old;

	if (rc)
		return rc;
	/* A handler that ends the process looks at the devices. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	device_destroy(dev);
	e->dev = NULL;
	e->stopping = false;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return 0;
}

void devtab_abandon(const struct devtab *tab)
{
	for (unsigned int i = 0; i < CONF_MAX_DEVICES; i++)
		if (tab->entry[i].dev)
			device_abandon(tab->entry[i].dev);
}
