/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user transport: one listening Unix socket per function, one front end at a time, at
 * which QEMU, Cloud Hypervisor, User-Mode Linux or a test stands for the host. Threads: the
 * device's engine.
 */
#ifndef VHOST_USER_H
#define VHOST_USER_H

#include "devemu/transport.h"

extern const struct transport_ops vhost_user_transport;

#endif
