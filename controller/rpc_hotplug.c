/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Methods about functions that come and go.
 *
 * Plugging: the function's socket appears, then QEMU, when there is a QMP socket, attaches it; it
 * is done when the host has taken it. Unplugging: the host is asked, by the transport where that
 * can be said (vfio-user) and by QMP; it is done when the host has let go. vhost-user has no way
 * to ask, and the library would cut the connection at once: with QMP the guest first gets its
 * time.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "qmp.h"
#include "rpc_methods.h"

#define PLUG_NS (30ull * 1000000000ull) /* until the host has taken it */
#define GUEST_NS (20ull * 1000000000ull) /* for a guest to let go that was asked by QMP only */
#define UNPLUG_NS (60ull * 1000000000ull) /* in all; the library cuts the host off before */

enum { ASKED_BY_QMP, UNPLUGGING };

void rpc_function_create(struct rpc_call *call)
{
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	int rc = manager_create_function(rpc_text(call, 0, NULL), vuid);

	if (rc)
		rpc_fail(call, rc, "%s", "");
	else
		call->result = json_object_new_string(vuid);
}

void rpc_function_destroy(struct rpc_call *call)
{
	int rc = manager_destroy_function(rpc_text(call, 1, NULL), rpc_text(call, 0, ""));

	if (rc)
		rpc_fail(call, rc, "%s", "");
}

static void describe(struct rpc_call *call, const struct device *dev, struct qmp_device *q)
{
	*q = (struct qmp_device){
		.vuid = dev->fn.vuid,
		.transport = dev->fn.transport,
		.socket = dev->fn.socket,
		.tag = dev->conf->tag,
		.queue_size = dev->conf->queue_size,
	};
}

/* The device that is waited for, or NULL: it has been stopped meanwhile, which ends the waiting. */
static struct device *device_waited_for(struct rpc_call *call, struct device_state *st)
{
	struct device *dev = rpc_devtab(call->rpc)->entry[call->slot].dev;

	if (dev)
		device_get_state(dev, st);
	else
		call->again = NULL;
	return dev;
}

static void show_state(struct rpc_call *call, enum doca_devemu_pci_hotplug_state state)
{
	call->again = NULL;
	call->result = json_object_new_object();
	rpc_add_text(call->result, "hotplug_state", rpc_plug_name(state));
}

/* ---- plugging ---- */

static void plug_again(struct rpc_call *call)
{
	struct device_state st;

	if (!device_waited_for(call, &st)) {
		rpc_fail(call, -ECANCELED, "the device was stopped");
		return;
	}
	if (st.plug == DOCA_DEVEMU_PCI_HP_STATE_POWER_ON) {
		show_state(call, st.plug);
	} else if (st.plug != DOCA_DEVEMU_PCI_HP_STATE_PLUG_IN_PROGRESS) {
		call->again = NULL;
		rpc_fail(call, -ECANCELED, "the function was unplugged meanwhile");
	} else if (clock_ns() > call->deadline_ns) {
		call->again = NULL;
		rpc_fail(call, -ETIMEDOUT, "the host has not taken the function yet");
	}
}

/* What QEMU does not attach is off the bus again. */
static int attach(struct rpc_call *call, struct device *dev)
{
	const char *path = rpc_devtab(call->rpc)->conf->qmp;
	struct qmp_device q;
	int rc;

	describe(call, dev, &q);
	q.bus = rpc_text(call, 2, NULL);
	rc = path ? qmp_attach(path, &q) : 0;
	if (rc)
		device_hotunplug(dev);
	return rc;
}

void rpc_hotplug(struct rpc_call *call)
{
	struct device_state st;
	struct device *dev;
	int rc;

	if (!rpc_find_device(call, RPC_DEVICE_RUNNING, &call->slot))
		return;
	dev = rpc_devtab(call->rpc)->entry[call->slot].dev;
	rc = device_hotplug(dev);
	if (!rc)
		rc = attach(call, dev);
	if (rc) {
		rpc_fail(call, rc, "%s is not plugged", dev->fn.vuid);
		return;
	}
	if (!rpc_bool(call, 1, false)) {
		device_get_state(dev, &st);
		show_state(call, st.plug);
		return;
	}
	call->deadline_ns = clock_ns() + PLUG_NS;
	call->again = plug_again;
	plug_again(call);
}

/* ---- unplugging ---- */

static void unplug_again(struct rpc_call *call)
{
	struct device_state st;
	struct device *dev = device_waited_for(call, &st);

	if (!dev) {
		rpc_fail(call, -ECANCELED, "the device was stopped");
		return;
	}
	if (st.plug == DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF) {
		show_state(call, st.plug);
	} else if (call->step == ASKED_BY_QMP &&
		   clock_ns() > call->deadline_ns - UNPLUG_NS + GUEST_NS) {
		call->step = UNPLUGGING;
		device_hotunplug(dev);
	} else if (clock_ns() > call->deadline_ns) {
		call->again = NULL;
		rpc_fail(call, -ETIMEDOUT, "the host has not let go of the function yet");
	}
}

void rpc_hotunplug(struct rpc_call *call)
{
	const char *path = rpc_devtab(call->rpc)->conf->qmp;
	bool guest_first, wait = rpc_bool(call, 1, false);
	struct device_state st;
	struct qmp_device q;
	struct device *dev;
	int rc = 0;

	if (!rpc_find_device(call, RPC_DEVICE_RUNNING, &call->slot))
		return;
	dev = rpc_devtab(call->rpc)->entry[call->slot].dev;
	describe(call, dev, &q);
	device_get_state(dev, &st);
	guest_first = path && st.plug == DOCA_DEVEMU_PCI_HP_STATE_POWER_ON &&
		      !strcmp(dev->fn.transport, "vhost-user");
	/* A QEMU that is gone, or does not know the device, is no reason to keep the function. */
	if (path && st.plug == DOCA_DEVEMU_PCI_HP_STATE_POWER_ON && qmp_detach(path, &q))
		guest_first = false;
	call->step = guest_first ? ASKED_BY_QMP : UNPLUGGING;
	if (!guest_first) {
		device_get_state(dev, &st); /* the guest may have been quick */
		if (st.plug != DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF || !path)
			rc = device_hotunplug(dev);
	}
	if (rc) {
		rpc_fail(call, rc, "%s is not unplugged", dev->fn.vuid);
		return;
	}
	if (!wait && !guest_first) {
		device_get_state(dev, &st);
		show_state(call, st.plug);
		return;
	}
	call->deadline_ns = clock_ns() + UNPLUG_NS;
	call->again = unplug_again;
	unplug_again(call);
}
