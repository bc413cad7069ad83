/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host side of hot plug: the QEMU whose QMP socket this is attaches a function's socket as a
 * device of its guest, and asks the guest to give it back. Main thread; each call connects, and
 * waits for at most some seconds. 0 or -errno, reason logged.
 */
#ifndef CONTROLLER_QMP_H
#define CONTROLLER_QMP_H

struct qmp_device {
	const char *vuid; /* the device's id in QEMU is derived from it */
	const char *transport; /* "vfio-user" or "vhost-user" */
	const char *socket;
	const char *tag; /* vhost-user */
	int queue_size; /* vhost-user */
	const char *bus; /* NULL: the first root port that is free */
};

int qmp_attach(const char *path, const struct qmp_device *dev);
/* The guest is asked; that it has given the device back shows in the function's state. */
int qmp_detach(const char *path, const struct qmp_device *dev);

#endif
